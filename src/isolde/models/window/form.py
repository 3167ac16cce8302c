"""Describe the inputs and outputs of a window network, as cards have them; it loads no graph."""

from dataclasses import dataclass, replace

from isolde.core.errors import InputError
from isolde.core.signal.spectrum import LARGEST_FFT, Grid
from isolde.core.stage import checked_form

FORMS = ("magnitudes", "spectra", "hybrid", "waves")
AXES = {"ncft": (0, 1, 2, 3), "nctf": (0, 1, 3, 2), "cnft": (1, 0, 2, 3), "cntf": (1, 0, 3, 2)}
"""Order of batch n, channel c, bin f and frame t in the magnitudes of a graph."""

LONGEST_SECONDS = 300
"""Greatest length of a window in seconds; a window is held in memory."""


@dataclass(frozen=True)
class Window:
    """The form of a window network; docs/design/onnx.md draws each.

    Attributes:
        form: "magnitudes": magnitudes in, those of each stem out (Spleeter, Open-Unmix); "spectra":
            real and imaginary parts in, those of one stem out (MDX-Net); "hybrid": waves and
            spectra in and out, which are added (HT-Demucs); "waves": samples in and out.
        outputs: Names of the stems of the graph, in its order.
        size: Length of a window in frames ("magnitudes", "spectra") or samples ("hybrid", "waves").
        sample_rate: Sample rate in Hz.
        n_fft: Window of the transform in samples; unused by "waves".
        hop: Hop of the transform in samples; unused by "waves".
        n_bins: Number of bins that the graph takes, from 0 Hz up; unused by "waves".
        overlap: Overlap of neighbouring windows as a share of a window, 0 to 0.5.
        multiple: For "magnitudes": a song shorter than a window gets one window whose number of
            frames is a multiple of this, filled up with the beginning of the song; 0: its window
            has `size` frames, filled up with silence.
        axes: Order of batch n, channel c, bin f and frame t, for "magnitudes".
        compensate: Factor of the estimate, for "spectra".
        denoise: Whether the mean of f(x) and -f(-x) is taken, in twice the time, for "spectra".
        before: Number of frames before a window that the graph is also given, for "magnitudes".
        after: Number of frames after a window that it is also given, for "magnitudes".
    """

    form: str
    outputs: tuple[str, ...]
    size: int
    sample_rate: int = 44_100
    n_fft: int = 4096
    hop: int = 1024
    n_bins: int = 0
    overlap: float = 0.25
    multiple: int = 0
    axes: str = "nctf"
    compensate: float = 1.0
    denoise: bool = False
    before: int = 0
    after: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no stage can run.

        Raises:
            InputError: A value is out of range.
        """
        if self.form not in FORMS:
            raise InputError(f"form '{self.form}' is unknown: take one of {', '.join(FORMS)}")
        if self.axes not in AXES:
            raise InputError(f"axes '{self.axes}' are unknown: take one of {', '.join(AXES)}")
        if not self.outputs:
            raise InputError("a window network without outputs: name its stems")
        if not 0 <= self.overlap <= 0.5:
            raise InputError(f"an overlap of {self.overlap}: give 0 to 0.5 of a window")
        if min(self.before, self.after) < 0 or (
            self.form != "magnitudes" and self.before + self.after
        ):
            raise InputError(
                f"{self.before} frames before a window and {self.after} after it: give 0 or more, "
                "and to magnitudes only"
            )
        if self.multiple < 0 or (self.multiple and self.size % self.multiple):
            raise InputError(
                f"windows of {self.size} in multiples of {self.multiple}: give a divisor, or 0"
            )
        checked_form(self.sample_rate, 1)
        if self.size < 2 or min(self.n_fft, self.hop) < 1 or self.n_fft > LARGEST_FFT:
            raise InputError(
                f"windows of {self.size} with n_fft {self.n_fft} and hop {self.hop}: all must be "
                f"above 0, and n_fft {LARGEST_FFT} or less"
            )
        heard = self.before + self.size + self.after
        if heard * self.seconds / self.size > LONGEST_SECONDS:
            raise InputError(
                f"windows of {heard}, {self.before} before and {self.after} after included: give "
                f"{LONGEST_SECONDS} s or less"
            )
        if self.form != "waves" and not 0 < self.n_bins <= self.n_fft // 2 + 1:
            raise InputError(
                f"{self.n_bins} bins of a window of {self.n_fft}: give 1 to {self.n_fft // 2 + 1}"
            )
        if self.form == "spectra" and self.hop * (self.size - 1) <= self.n_fft:
            raise InputError(
                f"windows of {self.size} frames every {self.hop} samples with n_fft {self.n_fft}: "
                "give a shorter n_fft, half of which is only heard at each end"
            )
        if self.form == "hybrid" and self.n_fft < 3 * self.hop:
            raise InputError(
                f"n_fft {self.n_fft} with hop {self.hop}: give at least 3 times the hop"
            )
        if not 0 < self.compensate < 10:
            raise InputError(f"a compensation of {self.compensate}: give a factor near 1")

    @property
    def grid(self) -> Grid:
        """The grid of "magnitudes"; in other forms n_fft need not be a multiple of the hop.

        Raises:
            InputError: The numbers make no grid.
        """
        return Grid(self.sample_rate, self.n_fft, self.hop)

    @property
    def step(self) -> int:
        """Distance from one window to the next in frames or samples."""
        return self.size - int(self.overlap * self.size)

    @property
    def band(self) -> float:
        """Highest frequency of the network's input in Hz."""
        nyquist = self.sample_rate / 2
        if self.form == "waves":
            return nyquist
        return min(nyquist, self.n_bins * self.sample_rate / self.n_fft)

    @property
    def latency(self) -> int:
        """Latency in samples at `sample_rate`."""
        if self.form == "magnitudes":
            return self.n_fft + (self.size + self.after - 1) * self.hop
        if self.form == "spectra":
            return self.hop * (self.size - 1) - self.n_fft // 2
        return self.size

    @property
    def live(self) -> "Window | None":
        """The same form with the shortest windows of the graph, for live sessions, or None.

        Of the smallest number of frames that the graph takes, the masks of a quarter are used, and
        an eighth after them is context: 0.6 s of latency for Spleeter's form, at four times the
        calls. None for graphs that give sound.
        """
        heard = self.multiple or self.size
        if self.form != "magnitudes" or heard < 8 or self.before + self.after:
            return None
        size, after = heard // 4, heard // 8
        before = heard - size - after
        return replace(self, size=size, overlap=0.0, multiple=0, before=before, after=after)

    @property
    def seconds(self) -> float:
        """Length of a window in seconds."""
        unit = self.hop if self.form in ("magnitudes", "spectra") else 1
        return self.size * unit / self.sample_rate
