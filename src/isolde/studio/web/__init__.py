"""The studio as a server: who may ask, what is taken and what is answered; it keeps no song."""
