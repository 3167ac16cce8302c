"""What every room builds on: stages, signals, errors, whole files, processes; it opens no sound."""
