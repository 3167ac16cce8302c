"""What stems are called, in arrays and as files of data sets and separators; it opens none."""

MIXTURE = "mixture"
VOCALS = "vocals"
ACCOMPANIMENT = "accompaniment"

PARTS = ("drums", "bass", "other")
"""What an accompaniment may be given as."""

STEM_NAMES = {
    MIXTURE: ("mixture", "mix"),
    VOCALS: ("vocals", "vocal", "voice"),
    ACCOMPANIMENT: ("accompaniment", "instrumental", "no_vocals", "backing"),
    "drums": ("drums",),
    "bass": ("bass",),
    "other": ("other", "guitar", "piano", "keys", "synth", "strings"),
}
"""What a stem's file may be called, without its ending and in any case; the preferred first. Those
of `other` are instruments that are summed, those of the rest are words for the same."""

STEM_BY_NAME = {name: stem for stem, names in STEM_NAMES.items() for name in names}
