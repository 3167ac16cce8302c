"""Sound as numbers: rates, spectra and back, levels, features of networks, masks over bins."""
