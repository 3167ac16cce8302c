"""The HTTP server of the studio: access, uploads and responses; it keeps no song."""
