"""Separation while the music plays: devices, files and pipes; the separator is the offline one."""

from isolde.live.devices import Device, find, list_devices
from isolde.live.meters import Counts, Status
from isolde.live.plan import Plan, make_plan
from isolde.live.session import Live

__all__ = ["Counts", "Device", "Live", "Plan", "Status", "find", "list_devices", "make_plan"]
