"""What several verbs share: the terminal, progress, help, completion and options; no verb."""
