"""Separation while the music plays: devices, files and pipes; the separator is the offline one."""

from isolde.live.io.devices import Device, find, list_devices
from isolde.live.plan import Plan, make_plan
from isolde.live.session import Live
from isolde.live.stream.meters import Counts, Status

__all__ = ["Counts", "Device", "Live", "Plan", "Status", "find", "list_devices", "make_plan"]
