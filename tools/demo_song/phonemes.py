"""The vowels and consonants that the voice can sing, as numbers; nothing sounds here."""

from dataclasses import dataclass

# Mean F1, F2, F3 in Hz of American English vowels: Peterson and Barney, "Control methods used in
# a study of the vowels", 1952, table II.
VOWELS: dict[str, dict[str, tuple[float, float, float]]] = {
    "man": {
        "i": (270, 2290, 3010),
        "e": (530, 1840, 2480),
        "ae": (660, 1720, 2410),
        "a": (730, 1090, 2440),
        "o": (570, 840, 2410),
        "u": (300, 870, 2240),
        "uh": (640, 1190, 2390),
    },
    "woman": {
        "i": (310, 2790, 3310),
        "e": (610, 2330, 2990),
        "ae": (860, 2050, 2850),
        "a": (850, 1220, 2810),
        "o": (590, 920, 2710),
        "u": (370, 950, 2670),
        "uh": (760, 1400, 2780),
    },
}


@dataclass(frozen=True)
class Consonant:
    """A consonant that ends where its vowel begins; times in seconds, centre in Hz."""

    closure: float = 0.0  # silence before the burst
    noise: float = 0.0  # length of the frication or burst
    aspiration: float = 0.0  # breath between burst and vowel
    centre: float = 4000.0
    width: float = 0.5  # octaves, one standard deviation
    level: float = 0.0  # of the noise, beside a voiced vowel
    voiced: float = 0.0  # length of a voiced murmur
    formants: tuple[float, float, float] = (280.0, 1100.0, 2500.0)  # Hz, of the murmur

    @property
    def seconds(self) -> float:
        """The length of the whole consonant."""
        return self.closure + self.noise + self.aspiration + self.voiced


CONSONANTS = {
    "s": Consonant(noise=0.11, centre=7500, width=0.40, level=0.80),
    "sh": Consonant(noise=0.11, centre=3600, width=0.40, level=0.55),
    "f": Consonant(noise=0.09, centre=5000, width=0.80, level=0.18),
    "t": Consonant(0.05, 0.018, 0.030, centre=4500, width=0.7, level=0.70),
    "k": Consonant(0.05, 0.025, 0.035, centre=2200, width=0.4, level=0.60),
    "h": Consonant(aspiration=0.08),
    "m": Consonant(voiced=0.08, formants=(270, 1000, 2200)),
    "n": Consonant(voiced=0.07, formants=(280, 1500, 2500)),
    "l": Consonant(voiced=0.07, formants=(360, 1200, 2700)),
    "": Consonant(),
}
