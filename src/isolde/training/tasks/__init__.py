"""What each kind of network learns from, its loss and its validation; no loop, no optimiser."""
