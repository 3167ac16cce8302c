"""Networks that take a window at once, without a state: forms, recognition, stages."""
