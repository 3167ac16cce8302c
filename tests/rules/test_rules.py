"""The rules on sounds whose pitch is known: what is sung passes, what lies between does not."""

import numpy as np
import pytest

from helpers.blocks import outputs_of
from isolde.core.errors import InputError, MissingExtraError
from isolde.core.signal.spectrum import GRID_22, analyse
from isolde.core.signal.synthesis import synthesise
from isolde.rules import HarmonicMasker, Rules, make_rules_masker
from isolde.rules.mask import burst_mask, harmonic_comb, harmonic_share
from isolde.rules.masker import listen, weigh_bins
from isolde.rules.pitch import BIN_HZ, Track, centre_weight, follow, refine, runs, widen
from isolde.separation.load import load_separator
from isolde.separation.stages.separator import Separator

pytest.importorskip("librosa")

RATE = GRID_22.sample_rate
SECONDS = 2.0
SHORT = Rules(block_seconds=1.0, margin_seconds=0.3)


def vibrato(f0: float = 220.0, *, cents: float = 50.0, hertz: float = 5.5, rate: int = RATE):
    """Pitch in Hz of every sample of SECONDS."""
    t = np.arange(int(SECONDS * rate)) / rate
    return f0 * 2 ** (cents / 1200 * np.sin(2 * np.pi * hertz * t))


def sung(pitch: np.ndarray, *, rate: int = RATE, partials: int = 12) -> np.ndarray:
    """(1, n): partials of falling strength at the pitch, RMS about 0.1."""
    turns = 2 * np.pi * np.cumsum(pitch) / rate
    total = sum(np.sin(h * turns) / h for h in range(1, partials + 1))
    return (0.1 * total / np.sqrt(np.mean(total**2))).astype(np.float32)[None]


def tone(hertz: float, level: float) -> np.ndarray:
    n = int(SECONDS * RATE)
    return (level * np.sin(2 * np.pi * hertz * np.arange(n) / RATE)).astype(np.float32)[None]


def energy(audio: np.ndarray) -> float:
    return float(np.sum(audio.astype(np.float64) ** 2))


def masked(
    audio: np.ndarray, *, rules: Rules | None = None
) -> tuple[np.ndarray, np.ndarray, Track]:
    """What the rules leave of a song that is shorter than a block, the mask, and the track."""
    rules = rules or Rules()
    spectra = analyse(audio, GRID_22)
    mask, track = listen(*weigh_bins(spectra, rules), rules)
    return synthesise(spectra * mask, GRID_22, audio.shape[1]), mask, track


# --- steps 1 to 3 ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 20, 40, 53, 200])
def test_what_is_near_a_flag_is_widened_however_short_the_song(n: int):
    reach = round(0.3 / GRID_22.frame_seconds)
    for place in {0, n // 3, n - 1}:
        flags = np.arange(n) == place
        np.testing.assert_array_equal(widen(flags, 0.3), np.abs(np.arange(n) - place) <= reach)


@pytest.mark.slow
def test_a_sung_tone_with_vibrato_is_tracked_within_10_cents():
    pitch = vibrato()
    track = follow(analyse(sung(pitch), GRID_22)[0], Rules())
    inside = slice(4, -4)  # frames that see no silence beyond the ends
    at = np.arange(len(track.f0))[inside] * GRID_22.hop
    assert track.voiced[inside].all()
    error = 1200 * np.log2(track.f0[inside] / pitch[at])
    # The window of 46 ms rounds off the vibrato's turns by 3 cents; steps are 20 cents.
    assert np.abs(error).max() < 10
    assert np.abs(error).mean() < 4


@pytest.mark.parametrize("f0", [98.0, 311.1, 880.0])
def test_steady_tones_are_found_far_below_pyins_step(f0: float):
    """From a guess 15 cents off, which is as far as pYIN's steps can be."""
    spectra = analyse(sung(np.full(RATE, f0)), GRID_22)[0]
    n = len(spectra)
    found = refine(spectra, np.full(n, f0 * 2 ** (15 / 1200), np.float32), reach=0.2)[6:-6]
    # Below 100 Hz neighbouring partials reach into each other's bins.
    assert np.abs(1200 * np.log2(found / f0)).max() < (4 if f0 < 100 else 1)


def test_refining_never_leaves_its_reach():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(1, RATE)).astype(np.float32)
    spectra = analyse(noise, GRID_22)[0]
    guess = rng.uniform(80, 1000, len(spectra)).astype(np.float32)
    cents = 1200 * np.log2(refine(spectra, guess, reach=0.2) / guess)
    assert np.abs(cents).max() <= 20.1


def test_silence_around_the_voice_is_excluded_and_never_given_to_pyin():
    quiet = np.zeros((1, 2 * RATE), np.float32)
    song = np.concatenate([quiet, sung(vibrato()), quiet], axis=1)
    track = follow(analyse(song, GRID_22)[0], Rules())
    times = np.arange(len(track.f0)) * GRID_22.frame_seconds
    # The level is smoothed over 0.3 s and kept for 0.3 s more.
    assert not track.section[(times < 1.3) | (times > 4.7)].any()
    assert track.section[(times > 2.0) & (times < 4.0)].all()
    assert not track.f0[~track.section].any()


def test_silence_needs_no_pyin_at_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "librosa", None)
    silent = np.zeros((2, 300, 513), np.complex64)
    masker = HarmonicMasker(n_channels=2)
    masks = np.concatenate([masker.feed(silent), masker.flush()], axis=2)
    assert masks.shape == (1, 1, 300, 513)
    assert not masks.any()


def test_the_centre_is_what_both_channels_have():
    rng = np.random.default_rng(1)
    left, both = rng.normal(size=(2, 1, 40, 513)).astype(np.float32) + 0j
    nothing = np.zeros_like(left)
    assert np.allclose(centre_weight(np.concatenate([both, both])), 1)
    assert np.allclose(centre_weight(np.concatenate([left, nothing])), 0, atol=1e-6)
    assert (centre_weight(both) == 1).all()


# --- step 4 ------------------------------------------------------------------------------------


def test_the_comb_has_the_width_that_is_written_down():
    rules = Rules()
    f0 = np.array([430.7], np.float32)  # bin 20
    comb = harmonic_comb(f0, rules)[0]
    for harmonic in (1, 5, 12):
        centre = harmonic * 20
        half = rules.width_hz + harmonic * 430.7 * (2 ** (rules.width_cents / 1200) - 1)
        assert comb[centre] == pytest.approx(1, abs=1e-3)
        for off in range(1, 10):
            expected = np.cos(np.pi / 2 * min(1, off * BIN_HZ / half)) ** 2
            assert comb[centre + off] == pytest.approx(expected, abs=5e-3)
    assert not harmonic_comb(np.zeros(3, np.float32), rules).any()


def test_the_mask_passes_its_partials_and_nulls_a_tone_between_them():
    # 770 Hz lies halfway between the third and the fourth harmonic, 10 dB below the third.
    voice, other = sung(np.full(int(SECONDS * RATE), 220.0)), tone(770.0, 0.012)
    both, mask, track = masked(voice + other)
    assert track.voiced[4:-4].all()
    spectra = analyse(other, GRID_22)
    inside = slice(8, -8)
    passed = energy(np.abs(spectra * mask)[:, inside]) / energy(np.abs(spectra)[:, inside])
    assert 10 * np.log10(passed) < -30
    middle = slice(RATE // 4, -RATE // 4)
    lost = energy((both - voice)[:, middle]) / energy(voice[:, middle])
    # Third and fourth harmonic lose some: the tone is taken for music that they share bins with.
    assert 10 * np.log10(lost) < -15


def test_as_a_binary_mask_too():
    voice, other = sung(np.full(int(SECONDS * RATE), 220.0)), tone(770.0, 0.012)
    _, mask, _ = masked(voice + other)
    binary = (mask >= 0.5)[8:-8]
    partials = [round(h * 220 / BIN_HZ) for h in range(1, 9)]
    assert binary[:, partials].all()
    assert not binary[:, round(770 / BIN_HZ)].any()


def test_a_harmonic_that_music_drowns_gets_no_share():
    """Noise has no valleys: what lies between harmonics is as loud as they are."""
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(1, 2 * RATE)).astype(np.float32)
    f0 = np.full(172, 220.0, np.float32)
    of_noise = harmonic_share(np.abs(analyse(noise, GRID_22)[0])[:172], f0)
    of_voice = harmonic_share(np.abs(analyse(sung(np.full(2 * RATE, 220.0)), GRID_22)[0])[:172], f0)
    to = round(12.4 * 220 / BIN_HZ)
    assert of_voice[6:-6, 10:to].mean() > 0.95
    assert of_noise[6:-6, 10:to].mean() < 0.5


# --- step 5 ------------------------------------------------------------------------------------


def test_a_burst_near_the_voice_passes_and_one_far_away_does_not():
    n, rules = 430, Rules()
    magnitudes = np.full((n, 513), 1e-3, np.float32)
    magnitudes[[96, 300], 200:] = 0.1  # 40 dB above the usual
    f0 = np.zeros(n, np.float32)
    f0[100:200] = 220.0
    track = Track(np.ones(n, np.bool_), f0 > 0, f0)
    mask = burst_mask(magnitudes, track, rules)
    assert mask[96, 200:].min() == pytest.approx(rules.burst_gain, rel=1e-3)
    assert not mask[300].any()
    assert not mask[100:200].any(), "voiced frames are step 4's"
    assert not mask[:, : int(rules.burst_from_hz / BIN_HZ) - 1].any()


# --- as a model --------------------------------------------------------------------------------


def song(n_channels: int = 2) -> np.ndarray:
    """Four seconds: the voice, then a pause, over a quiet drone."""
    rng = np.random.default_rng(8)
    voice = np.concatenate([sung(vibrato(247.0)), np.zeros((1, 2 * RATE), np.float32)], axis=1)
    drone = 0.01 * rng.normal(size=(n_channels, voice.shape[1]))
    return (voice + drone).astype(np.float32)


def masks_of(masker: HarmonicMasker, spectra: np.ndarray, sizes: list[int]) -> np.ndarray:
    sizes = [*sizes, spectra.shape[1]]  # the last block has the rest
    return np.concatenate(outputs_of(masker, spectra, sizes), axis=2)


def test_masks_do_not_depend_on_how_the_song_is_fed():
    spectra = analyse(song(), GRID_22)[:, :260]
    whole = masks_of(HarmonicMasker(SHORT, n_channels=2), spectra, [])
    assert whole.shape == (1, 1, 260, 513)
    assert whole.max() > 0.9
    masker = HarmonicMasker(SHORT, n_channels=2)
    masker.feed(spectra[:, :50])
    masker.reset()
    assert np.array_equal(masks_of(masker, spectra, [1, 0, 130, 7, 64]), whole)


def test_the_declared_latency_is_the_worst_case_and_reached():
    """On silence, which costs nothing; the schedule does not look at the sound."""
    masker = HarmonicMasker(SHORT, n_channels=1)
    frame, out, slack = np.zeros((1, 1, 513), np.complex64), 0, []
    for fed in range(1, 301):
        out += masker.feed(frame).shape[2]
        slack.append(out - (fed - masker.latency))
    assert min(slack) == 0
    out += masker.flush().shape[2]
    assert out == 300


def test_memory_does_not_grow_with_the_song():
    masker = HarmonicMasker(SHORT, n_channels=1)
    held = []
    for _ in range(10):
        masker.feed(np.zeros((1, 100, 513), np.complex64))
        held.append(sum(len(mid) for mid, _ in masker._held))
    assert max(held) <= masker.latency + 1 + 100 + round(0.3 / GRID_22.frame_seconds)


def test_gain_changes_nothing():
    spectra = analyse(song(n_channels=1), GRID_22)[:, :200]
    loud, quiet = (
        masks_of(HarmonicMasker(SHORT, n_channels=1), np.complex64(gain) * spectra, [])
        for gain in (1.0, 0.01)
    )
    # Rounding in another binade may turn a close decision of one frame, not more.
    assert np.mean(np.abs(loud - quiet).max(axis=(0, 1, 3)) > 1e-3) < 0.01


@pytest.mark.parametrize(("rate", "n_channels"), [(44_100, 2), (16_000, 1)])
def test_the_stems_sum_to_the_mixture_at_its_own_rate_and_length(rate: int, n_channels: int):
    voice = sung(vibrato(rate=rate), rate=rate)
    mixture = np.repeat(voice, n_channels, axis=0)[:, : int(1.9 * rate) + 1]
    separator = Separator.with_masks(
        make_rules_masker(n_channels), sample_rate=rate, n_channels=n_channels
    )
    parts = [separator.feed(mixture[:, :7000]), separator.feed(mixture[:, 7000:])]
    parts.append(separator.flush())
    vocals, rest = (
        np.concatenate([p[stem] for p in parts], axis=1) for stem in ("vocals", "accompaniment")
    )
    assert vocals.shape == mixture.shape
    assert np.abs(vocals + rest - mixture).max() < 1e-6
    assert 10 * np.log10(energy(rest) / energy(mixture)) < -12  # all of it is sung


def test_the_rules_are_a_model_by_name():
    separator = load_separator("rules", sample_rate=44_100, n_channels=2)
    assert separator.stems == ("vocals", "accompaniment")
    # The latency is what the document says: 11 s and the grid's window.
    assert separator.latency / 44_100 == pytest.approx(11.05, abs=0.05)


def test_without_librosa_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"isolde\[rules\]"):
        make_rules_masker(2)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="at least 1"):
        HarmonicMasker(n_channels=0)
    with pytest.raises(InputError, match="do not fit"):
        HarmonicMasker(n_channels=2).feed(np.zeros((1, 3, 513), np.complex64))
    with pytest.raises(InputError, match="60 to 2000"):
        Rules(f0_min=500, f0_max=400)
    with pytest.raises(InputError, match="margin"):
        Rules(margin_seconds=60)


def test_runs_have_a_start_and_an_end():
    assert runs(np.array([0, 1, 1, 0, 0, 0, 0, 0, 1], np.bool_)) == [(1, 3), (8, 9)]
