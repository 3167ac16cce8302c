"""The base of all packages: stages, signals, errors, whole files, processes; it opens no sound."""
