"""A page served from this computer that plays a song while it is separated; it uploads nothing."""
