"""Songs with known stems as training reads them, mapped from the cache; it mixes none."""
