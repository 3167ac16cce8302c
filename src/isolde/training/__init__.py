"""Training in PyTorch: what to learn, the loop that learns it, and how good it is."""
