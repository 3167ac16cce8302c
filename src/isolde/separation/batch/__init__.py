"""Separate many songs: in several processes, on several machines, in shares; it reads no sound."""

from isolde.separation.batch.running import separate_songs
from isolde.separation.batch.shard import Shard, parse_shard
from isolde.separation.batch.state import Checked, State, check_songs

__all__ = ["Checked", "Shard", "State", "check_songs", "parse_shard", "separate_songs"]
