"""What every room builds on: stages, errors, files that appear whole, processes; no audio."""
