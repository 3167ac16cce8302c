"""Examples, loss and validation of each kind of network; no loop, no optimiser."""
