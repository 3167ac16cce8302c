"""Where somebody sings: probabilities, segments, labels, gate and phrases; it separates nothing."""

from isolde.activity.detector import (
    FRAME_SECONDS,
    MODEL,
    ActivityDetector,
    FrameDetector,
    activity_model,
    load_frame_detector,
)
from isolde.activity.finding import Activity, find_activity
from isolde.activity.formats import FORMATS, Cue, render
from isolde.activity.gate import Gate, GatedMasker, GateRule
from isolde.activity.phrases import Phrase, cut_phrases
from isolde.activity.regrid import RegriddedDetector, detector_on
from isolde.activity.segments import Segment, Segmenter, SegmentRule, find_segments

__all__ = [
    "FORMATS",
    "FRAME_SECONDS",
    "MODEL",
    "Activity",
    "ActivityDetector",
    "Cue",
    "FrameDetector",
    "Gate",
    "GateRule",
    "GatedMasker",
    "Phrase",
    "RegriddedDetector",
    "Segment",
    "SegmentRule",
    "Segmenter",
    "activity_model",
    "cut_phrases",
    "detector_on",
    "find_activity",
    "find_segments",
    "load_frame_detector",
    "render",
]
