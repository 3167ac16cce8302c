"""Naive vocal isolation V1.0: rules instead of a network, with the contract of any other model."""

from isolde.harmonic.masker import RULES, HarmonicMasker, make_rules_masker
from isolde.harmonic.rules import Rules

__all__ = ["RULES", "HarmonicMasker", "Rules", "make_rules_masker"]
