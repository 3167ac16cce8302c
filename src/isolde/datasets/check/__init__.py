"""Check whether songs are as their manifest says; it changes nothing."""
