"""Networks in PyTorch: for training and export, never needed to separate."""
