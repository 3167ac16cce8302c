"""Where somebody sings: probabilities, segments, labels, gate and phrases; it separates nothing."""

from isolde.activity.detector import (
    MODEL,
    ActivityDetector,
    Detector,
    FrameDetector,
    GraphDetector,
    activity_model,
    find_telling,
    load_frame_detector,
    tells_activity,
    tells_by_masks,
)
from isolde.activity.finding import Activity, find_activity
from isolde.activity.formats import FORMATS, Cue, render
from isolde.activity.gate import Gate, GatedMasker, GateRule
from isolde.activity.masks import MaskDetector, PresenceMasker
from isolde.activity.phrases import Phrase, cut_phrases
from isolde.activity.segments import Segment, Segmenter, SegmentRule, find_segments

__all__ = [
    "FORMATS",
    "MODEL",
    "Activity",
    "ActivityDetector",
    "Cue",
    "Detector",
    "FrameDetector",
    "Gate",
    "GateRule",
    "GatedMasker",
    "GraphDetector",
    "MaskDetector",
    "Phrase",
    "PresenceMasker",
    "Segment",
    "SegmentRule",
    "Segmenter",
    "activity_model",
    "cut_phrases",
    "find_activity",
    "find_segments",
    "find_telling",
    "load_frame_detector",
    "render",
    "tells_activity",
    "tells_by_masks",
]
