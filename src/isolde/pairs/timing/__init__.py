"""When a partner sounds in a mix: drift, offset and edits, found and undone; it judges no level."""

from isolde.pairs.timing.align import align, prepare

__all__ = ["align", "prepare"]
