"""Networks that answer for a window at once, without a state: forms, readers, stages."""
