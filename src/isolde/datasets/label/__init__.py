"""Labels for unlabelled songs from an external separator; it separates nothing itself."""
