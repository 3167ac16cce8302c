"""Whether songs are what their manifest says; it changes nothing."""
