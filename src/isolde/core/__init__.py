"""What every room builds on: stages, spectra, features, masks, rates, errors; opens no audio."""
