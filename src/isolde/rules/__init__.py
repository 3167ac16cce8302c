"""Naive vocal isolation V1.0: rules instead of a network, with the contract of any other model."""

from isolde.models.sources import RULES
from isolde.rules.constants import Rules
from isolde.rules.masker import HarmonicMasker, make_rules_masker

__all__ = ["RULES", "HarmonicMasker", "Rules", "make_rules_masker"]
