"""The process in which the network runs; it plays nothing."""
