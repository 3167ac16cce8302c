"""Find and undo drift, offset and edits of a partner in a mix; it judges no level."""
