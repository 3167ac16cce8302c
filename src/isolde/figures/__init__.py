"""Pictures of what the library hears; the only room that imports matplotlib, and only lazily."""
