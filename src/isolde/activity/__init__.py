"""Where somebody sings: probabilities, segments, labels, gate and phrases; it separates nothing."""

from isolde.activity.detector import (
    FRAME_SECONDS,
    MODEL,
    ActivityDetector,
    FrameDetector,
    load_frame_detector,
)
from isolde.activity.finding import Activity, find_activity
from isolde.activity.formats import FORMATS, render
from isolde.activity.gate import Gate, GatedMasker, GateRule
from isolde.activity.phrases import Phrase, cut_phrases
from isolde.activity.segments import Segment, Segmenter, SegmentRule, find_segments

__all__ = [
    "FORMATS",
    "FRAME_SECONDS",
    "MODEL",
    "Activity",
    "ActivityDetector",
    "FrameDetector",
    "Gate",
    "GateRule",
    "GatedMasker",
    "Phrase",
    "Segment",
    "SegmentRule",
    "Segmenter",
    "cut_phrases",
    "find_activity",
    "find_segments",
    "load_frame_detector",
    "render",
]
