"""Pairs that belong together: a song's mix and its voice, each damaged in its own way.

Case i depends on i and the songs only, so that a run may be stopped, continued, and one case run
again.
"""

import damage
import numpy as np
from case import Case
from songs import SAMPLED, Songs

from isolde.core.stage import Float32

THEMES = (
    "plain", "drift", "rates", "mp3", "ogg", "eq", "inverted", "noise", "cut", "repeat", "intro",
    "mono mix", "mono vocal", "reverb in the mix", "reverb in the vocal", "part", "far",
    "instrumental", "buried", "all",
)  # fmt: skip
LONG = ("cut", "repeat", "part", "buried")  # themes that take a song of some length
RATES = (22050, 32000, 44100, 48000)


class RightCase:
    """Makes a pair that belongs together: one kind of damage more than the others."""

    def __init__(self, number: int, songs: Songs) -> None:
        """Choose the theme and a song."""
        self._rng = np.random.default_rng([1, number])
        self._number, self._songs = number, songs
        self._theme = THEMES[number % len(THEMES)]
        self._song, self._voice, self._backing, self._rate, self._level = self._sung()

    def make(self) -> Case:
        """Make the case."""
        stood = self._in_the_mix()
        mix, truth, spans = self._arranged(stood)
        mix, truth, mix_rate = self._mix_file(mix, truth)
        partner, partner_rate, lead, drift = self._partner_file()
        # the song's time 0 is at lead / (1 + drift) of the partner: mix = offset + (1 + drift) u
        pieces = tuple((start, end, zero - lead) for start, end, zero in spans)
        kind = "instrumental" if self._theme == "instrumental" else "vocal"
        return Case(
            self._number, self._theme, self._song, True, mix, mix_rate, partner, partner_rate,
            kind, truth, pieces, drift,
        )  # fmt: skip

    def _is(self, *themes: str, of_all: float = 1.0, else_: float = 0.0) -> bool:
        """Whether it happens: always by theme, else by chance."""
        if self._theme in themes:
            return True
        return bool(self._rng.uniform() < (of_all if self._theme == "all" else else_))

    def _sung(self) -> tuple[str, Float32, Float32, int, float]:
        """A stretch with 5 s of voice that is no more than 15 dB below the band."""
        for _ in range(50):
            name = self._songs.choose(self._rng, short=self._theme not in LONG)
            start = float(self._rng.uniform(0, 150)) if name.startswith(SAMPLED) else 0.0
            voice, backing, rate = self._songs.stems(name, start=start)
            seconds = voice.shape[1] // rate
            if not seconds:
                continue
            each = np.square(voice[:, : seconds * rate]).mean(axis=0).reshape(seconds, rate).mean(1)
            level = 10 * np.log10(
                (np.square(voice).mean() + 1e-12) / (np.square(backing).mean() + 1e-12)
            )
            if (each > 1e-4 * max(1e-3, np.percentile(each, 95))).sum() >= 5 and level > -15:
                return name, voice, backing, rate, float(level)
        raise SystemExit("no song with 5 s of voice in 50 tries: name another --data")

    def _in_the_mix(self) -> Float32:
        """The voice as it stands in the mix."""
        gain_db = self._rng.uniform(-6, 4)
        if self._theme == "buried":
            gain_db = -12 - self._level
        voice = self._voice * np.float32(10 ** (gain_db / 20))
        if self._is("inverted", of_all=0.5):
            voice = -voice
        if self._is("eq", "instrumental", else_=0.3):
            voice = damage.equalise(voice, self._rate, self._rng, most_db=6)
        if self._theme == "reverb in the mix":
            voice = damage.reverberate(voice, self._rate, self._rng)
        return voice

    def _arranged(
        self, voice: Float32
    ) -> tuple[Float32, Float32, list[tuple[float, float, float]]]:
        """The mix and its voice, with cuts, repeats, and something before and after."""
        rng, rate, length = self._rng, self._rate, voice.shape[1]
        plan = [(0, length)]
        if self._is("cut", of_all=0.5):
            first = int(rng.uniform(0.3, 0.5) * length)
            plan = [(0, first), (first + int(rng.uniform(0.1, 0.25) * length), length)]
        elif self._theme == "repeat":
            first, last = int(rng.uniform(0.2, 0.3) * length), int(rng.uniform(0.6, 0.7) * length)
            plan = [(0, last), (first, length)]
        before, after = self._around()
        mix = voice + self._backing
        whole = np.concatenate([before, *(mix[:, a:b] for a, b in plan), after], axis=1)
        truth = np.concatenate([before * 0, *(voice[:, a:b] for a, b in plan), after * 0], axis=1)
        spans, at = [], before.shape[1]
        for a, b in plan:
            spans.append((at / rate, (at + b - a) / rate, (at - a) / rate))
            at += b - a
        return whole, truth, spans

    def _around(self) -> tuple[Float32, Float32]:
        """What is before and after the song: another one, or silence."""
        rng, rate = self._rng, self._rate
        _, other, other_rate = self._songs.stems(self._songs.choose(rng, short=False))
        other = damage.average_channels(damage.resample(other, other_rate, rate))
        other = np.repeat(other, self._backing.shape[0], axis=0)
        longest = 60 if self._theme in ("far", "intro") else 20
        first = int(rng.uniform(0, longest) * rate) if self._is("intro", else_=0.6) else 0
        last = int(rng.uniform(0, 15) * rate) if rng.uniform() < 0.5 else 0
        before, after = other[:, :first], other[:, first : first + last]
        if self._theme != "intro" and rng.uniform() < 0.3:
            return before * 0, after * 0
        return before, after

    def _mix_file(self, mix: Float32, truth: Float32) -> tuple[Float32, Float32, int]:
        rng = self._rng
        rate = int(rng.choice(RATES)) if self._is("rates") else self._rate
        mix, truth = (damage.resample(audio, self._rate, rate) for audio in (mix, truth))
        if self._is("mono mix", of_all=0.3):
            mix, truth = damage.average_channels(mix), damage.average_channels(truth)
        gain = np.float32(0.9 / np.abs(mix).max())
        mix, truth = mix * gain, truth * gain
        if self._is("mp3", "ogg"):
            kind = str(rng.choice(["mp3", "ogg"])) if self._theme == "all" else self._theme
            mix = damage.transcode(mix, rate, kind)
        if self._is("noise"):
            mix = damage.add_noise(mix, rng, level_db=-45)
        return mix, truth, rate

    def _partner_file(self) -> tuple[Float32, int, float, float]:
        """The partner, its rate, the seconds of the mix before its song, and its drift."""
        rng, rate = self._rng, self._rate
        partner = self._voice
        if self._theme == "instrumental":
            partner = damage.equalise(self._backing, rate, rng, most_db=3)
        if self._theme == "reverb in the vocal":
            partner = damage.reverberate(partner, rate, rng)
        if self._theme == "part":
            partner = self._part(partner)
        longest = 60 if self._theme == "far" else 15
        seconds = float(rng.uniform(0, longest)) if rng.uniform() < 0.5 else 0.0
        lead = damage.make_silence(seconds=seconds, like=partner, rate=rate)
        partner = np.concatenate([lead, partner], axis=1)
        if self._is("mono vocal", of_all=0.3):
            partner = damage.average_channels(partner)
        drifts = self._is("drift", "instrumental", "cut", "repeat", else_=0.5)
        drift = float(rng.uniform(-2000, 2000)) * 1e-6 if drifts else 0.0
        file_rate = int(rng.choice(RATES)) if self._is("rates") else rate
        partner = damage.resample(partner, rate, file_rate / (1 + drift))
        peak = np.float32(10 ** (rng.uniform(-12, -0.5) / 20))
        partner = partner * (peak / np.abs(partner).max())
        if self._is("mp3", "ogg"):
            kind = "ogg" if self._theme == "mp3" else "mp3"
            partner = damage.transcode(partner, file_rate, kind)
        if self._is("noise"):
            partner = damage.add_noise(partner, rng, level_db=-50)
        return partner, file_rate, lead.shape[1] / rate, drift

    def _part(self, partner: Float32) -> Float32:
        """The first 55 %; the rest is silence or missing."""
        keep = int(0.55 * partner.shape[1])
        if self._rng.uniform() < 0.5:
            return partner[:, :keep]
        rest = np.zeros_like(partner[:, keep:])
        return np.concatenate([partner[:, :keep], rest], axis=1)
