"""The device mixer: what is not random is exact, what is random has the statistics asked for."""

from dataclasses import replace

import numpy as np
import pytest

from isolde.core.errors import InputError
from isolde.core.signal.spectrum import Grid, analyse
from isolde.core.signal.synthesis import synthesise
from isolde.datasets.mixing.library import FULL_SCALE, Entry

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from isolde.training.mixing.mixer import Mixer, limiter, pan, rms  # noqa: E402
from isolde.training.mixing.plan import Cut, Planner, Width  # noqa: E402
from isolde.training.mixing.settings import MixSettings  # noqa: E402
from isolde.training.mixing.timeline import PAIR, QUARTET, Timeline  # noqa: E402

RATE = 22050
GRIDS = [
    Grid(RATE, 1024, 256),
    Grid(RATE, 1024, 256, synthesis="short"),
    Grid(RATE, 2048, 512),
]
PLAIN = MixSettings(
    same_song=1,
    voiced=0,
    no_voice=0,
    mid=0,
    invert=0,
    tune=0,
    balance_db=(0, 0),
    jitter_db=0,
    level_db=(-20, -20),
    limit=0,
    band=0,
    phone=0,
    wide=0,
)
"""Nothing random but the place and the order of the channels."""


def entry(seed: int, *, seconds: float = 6.0, stems=("vocals", "accompaniment")) -> Entry:
    """A song of noise, each stem with its own level in each channel; the voice sings half of it."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    parts = {
        stem: (rng.normal(size=(2, n)) * [[900 + 300 * k], [1500]]).astype(np.int16)
        for k, stem in enumerate(stems)
    }
    activity = np.arange(1 + -(-n // 256)) < n // 512
    missing = {s: None for s in ("vocals", "accompaniment") if s not in parts}
    return Entry(f"song {seed}", f"artist {seed}", RATE / 2, **parts, **missing, activity=activity)


def mixer(entries, settings=PLAIN, *, grid=GRIDS[0], stems=PAIR, seed=3) -> Mixer:
    return Mixer(Timeline(entries, stems=stems), settings, seed=seed, grid=grid)


@pytest.mark.parametrize("grid", GRIDS, ids=["long", "short", "93 ms"])
def test_without_chance_the_spectra_are_those_of_the_separator(grid: Grid):
    song = entry(1)
    made = mixer([song], grid=grid)
    n = 40 * grid.hop
    (plan,) = [made.planner.plan(0, n, stems=2)]
    spectra = made.labelled([0], 41)[0][0].numpy()
    start = plan.cuts[0].start - made.timeline.songs[0].start
    order = slice(None, None, -1 if plan.cuts[0].swap else 1)
    parts = [getattr(song, s)[order, start : start + n] / FULL_SCALE for s in PAIR]
    level = 0.1 / np.sqrt(np.mean(sum(parts) ** 2))
    for k, part in enumerate(parts):
        exact = analyse((level * part).astype(np.float32), grid)
        assert np.abs(spectra[k] - exact).max() < 1e-5 * np.abs(exact).max()
    back = synthesise(spectra.sum(0), grid, n)
    assert np.sqrt(np.mean(back[:, grid.n_fft : -grid.n_fft] ** 2)) == pytest.approx(0.1, rel=0.02)


def test_an_example_is_the_same_alone_and_among_others():
    everything = MixSettings(tune=0.7, limit=0.5, band=0.5, phone=0.3, wide=0.7, equalise=0.5)
    made = mixer([entry(1), entry(2, seconds=3.0)], everything)
    together = made.labelled(range(6), 20)[0]
    for i in range(6):
        assert torch.allclose(made.labelled([i], 20)[0][0], together[i], atol=1e-7)
    again = mixer([entry(1), entry(2, seconds=3.0)], everything)
    assert torch.equal(again.labelled(range(6), 20)[0], together)
    other = mixer([entry(1), entry(2, seconds=3.0)], everything, seed=4)
    assert not torch.allclose(other.labelled([0], 20)[0][0], together[0], atol=1e-3)


def test_plans_have_the_statistics_asked_for():
    songs = Timeline([entry(k) for k in range(4)], stems=PAIR).songs
    settings = MixSettings(same_song=0.4, tune=0.3, balance_db=(-3.0, 4.5), level_db=(-40, -10))
    drawn = Planner(songs, settings, seed=1)
    plans = [drawn.plan(i, 20000, stems=2) for i in range(3000)]

    def share(flags) -> float:
        return float(np.mean(list(flags)))

    assert share(not p.apart for p in plans) == pytest.approx(0.4, abs=0.03)
    # a stranger may be the same song by chance, a speed exactly 1 may not
    assert share(p.cuts[0].speed != 1 for p in plans) == pytest.approx(0.3, abs=0.03)
    assert share(p.cuts[0].gain_db < -100 for p in plans) == pytest.approx(0.05, abs=0.015)
    assert share(p.mono for p in plans) == pytest.approx(0.1, abs=0.02)
    assert share(p.width is not None for p in plans) == pytest.approx(0.3, abs=0.03)
    assert share(p.over_db > 0 for p in plans) == pytest.approx(0.15, abs=0.025)
    assert share(p.low_hz > 0 for p in plans) == pytest.approx(0.05, abs=0.015)
    levels = np.array([p.level_db for p in plans])
    assert levels.min() > -40 and levels.max() < -10
    assert levels.mean() == pytest.approx(-25, abs=0.7)
    gains = np.array([p.cuts[0].gain_db for p in plans if p.apart and p.cuts[0].gain_db > -100])
    assert gains.mean() == pytest.approx(-3.0, abs=0.4)
    assert gains.std() == pytest.approx(4.5, abs=0.3)
    # voices are sought where they sound, in the first half of a song; 15 % anywhere
    sung = share(p.activity.any() for p in plans if p.cuts[0].gain_db > -100)
    assert 0.85 < sung < 1
    for plan in plans:
        for cut in plan.cuts:
            assert any(s.start <= cut.start < s.end == cut.end for s in songs)


def test_a_foreign_voice_stands_over_its_backing_as_asked():
    settings = replace(PLAIN, same_song=0, balance_db=(6.0, 0.0))
    made = mixer([entry(1), entry(2)], settings)
    voice, backing = made.labelled(range(8), 60)[0].abs().square().sum((2, 3, 4)).T
    assert torch.allclose(10 * torch.log10(voice / backing), torch.full((8,), 6.0), atol=0.1)


def tone(hertz: float, *, seconds: float = 4.0) -> Entry:
    n = int(seconds * RATE)
    wave = 9000 * np.sin(2 * np.pi * hertz * np.arange(n) / RATE)
    both = np.stack([wave, wave]).astype(np.int16)
    return replace(entry(1), vocals=both, accompaniment=both // 100, activity=np.ones(9, np.bool_))


@pytest.mark.parametrize("speed", [0.84, 1.06, 1.19])
def test_a_tone_at_another_speed_is_a_clean_tone_of_another_pitch(speed: float):
    songs = Timeline([tone(1000.0)], stems=PAIR)
    (song,) = songs.songs
    start, end = torch.tensor([song.start]), torch.tensor([song.end])
    n = 40000
    got = songs.cut(0, start, end, torch.tensor([speed], dtype=torch.float64), n)[0, 0].numpy()
    exact = 9000 / 32767 * np.sin(2 * np.pi * 1000 * speed * np.arange(n) / RATE)
    inner = slice(100, n - 100)
    error = np.sqrt(np.mean((got - exact)[inner] ** 2) / np.mean(exact[inner] ** 2))
    assert 20 * np.log10(error) < -55


def test_what_would_alias_is_gone():
    songs = Timeline([tone(10500.0)], stems=PAIR)
    (song,) = songs.songs
    start, end = torch.tensor([song.start]), torch.tensor([song.end])
    fast = songs.cut(0, start, end, torch.tensor([1.3], dtype=torch.float64), 30000)
    plain = songs.cut(0, start, end, torch.tensor([1.0], dtype=torch.float64), 30000)
    assert 20 * torch.log10(rms(fast[:, :, 100:]) / rms(plain)) < -30


def test_behind_a_song_is_silence_and_not_the_next():
    songs = Timeline([entry(1, seconds=1.0), entry(2)], stems=PAIR)
    first = songs.songs[0]
    place = torch.tensor([first.end - 100])
    for speed in (1.0, 0.9):
        pace = torch.tensor([speed], dtype=torch.float64)
        got = songs.cut(0, place, torch.tensor([first.end]), pace, 500)
        assert got[..., :90].abs().max() > 0
        assert got[..., 130:].abs().max() == 0


def test_mono_inverted_and_narrow_examples_are_that():
    songs = [entry(1), entry(2)]
    mono = mixer(songs, replace(PLAIN, mid=1.0)).labelled([0, 1], 20)[0]
    assert torch.allclose(mono[:, :, 0], mono[:, :, 1])
    turned = mixer(songs, replace(PLAIN, mid=1.0, invert=1.0)).labelled([0, 1], 20)[0]
    assert torch.allclose(turned[:, :, 0], -turned[:, :, 1])
    narrow = mixer(songs, replace(PLAIN, phone=1.0)).labelled([0, 1], 20)[0]
    assert narrow[..., : int(150 / RATE * 1024)].abs().max() == 0
    assert narrow[..., int(4000 / RATE * 1024) :].abs().max() == 0
    assert narrow[..., 30:100].abs().mean() > 0
    low = mixer([replace(s, top_hz=8000.0) for s in songs]).labelled([0], 20)[0]
    assert low[..., int(8000 / RATE * 1024) :].abs().max() == 0


def test_a_limiter_holds_the_loudest_frames_and_lets_go():
    level = torch.tensor([1.0, 1, 8, 1, 1, 1, 1, 1])
    mixture = level[None, None, :, None].expand(1, 2, 8, 5).to(torch.complex64)
    gains = limiter(mixture, torch.tensor([6.0205999]), hold=3)[0, 0, 0, :, 0]
    assert torch.allclose(gains, torch.tensor([1, 1, 0.5, 0.5, 0.5, 1, 1, 1]), atol=1e-4)
    assert torch.equal(limiter(mixture, torch.zeros(1), hold=3), torch.ones(1, 1, 1, 8, 1))


def test_panning_keeps_the_energy_and_a_wide_voice_its_loudness():
    sound = torch.from_numpy(np.random.default_rng(1).normal(size=(5, 4000)).astype(np.float32))
    panned = pan(sound, torch.linspace(-1, 1, 5))
    energy = panned.square().sum((1, 2)) / (2 * sound.square().sum(1))
    assert torch.allclose(energy, torch.ones(5), atol=1e-5)
    assert panned[0, 1].abs().max() < 1e-6 and panned[4, 0].abs().max() < 1e-6
    made = mixer([entry(1)])
    plan = made.planner.plan(0, 10000, stems=2)
    second = Cut(plan.cuts[0].start, plan.cuts[0].end, 1.01, gain_db=-3.0)
    wide = replace(plan, width=Width(-1.0, second, 1.0))
    plain, moved = made.mix_spectra([plan, wide], 10000)[:, 0].abs().square().sum((-1, -2))
    ratio = moved.sum() / plain.sum()
    assert 10 * torch.log10(ratio) == pytest.approx(0, abs=1.0)
    assert moved[0] > moved[1] > 0.1 * moved[0]  # the voice left, its second right


def test_four_stems_of_one_song_sum_to_it_and_of_several_are_of_one_loudness():
    songs = [entry(k, stems=QUARTET) for k in range(3)]
    made = mixer([*songs, entry(9)], stems=QUARTET)
    assert len(made.timeline.songs) == 3, "the one without drums is left out"
    spectra = made.labelled([0], 30)[0][0]
    assert spectra.shape == (4, 2, 30, 513)
    apart = mixer(songs, replace(PLAIN, same_song=0), stems=QUARTET)
    plans = [apart.planner.plan(i, 9000, stems=4) for i in range(20)]
    assert any(len({c.end for c in p.cuts}) > 1 for p in plans)


def test_stems_are_laid_on_music_without_a_voice_as_often_as_asked():
    def drums_of(plain: float) -> float:
        songs = [entry(k, stems=QUARTET) for k in range(2)]
        music = [entry(k, stems=QUARTET, seconds=30.0) for k in (8, 9)]
        music = [replace(m, activity=np.zeros_like(m.activity)) for m in music]
        made = mixer([*songs, *music], replace(PLAIN, same_song=0, plain=plain), stems=QUARTET)
        voiced = made.timeline.songs[1].end
        plans = [made.planner.plan(i, 9000, stems=4) for i in range(600)]
        assert all(p.cuts[0].end <= voiced for p in plans), "a voice is of a song that has one"
        return float(np.mean([p.cuts[1].end > voiced for p in plans]))

    assert drums_of(0.0) == 0
    assert drums_of(0.3) == pytest.approx(0.3, abs=0.06)
    assert drums_of(1.0) == pytest.approx(60 / 72, abs=0.05), "no more than there is of it"


def test_the_activity_goes_with_the_voice():
    made = mixer([entry(1)], replace(PLAIN, voiced=1.0))
    spectra, sounds = made.labelled(range(6), 40)
    assert sounds.shape == (6, 40) and spectra.shape[0] == 6
    assert sounds.any(axis=1).all()
    silent = mixer([entry(1)], replace(PLAIN, no_voice=1.0))
    spectra, sounds = silent.labelled([0], 40)
    assert not sounds.any() and spectra[:, 0].abs().max() < 1e-8


def test_songs_that_cannot_be_mixed_are_refused():
    voiceless = replace(entry(1), vocals=None)
    with pytest.raises(InputError, match="no song has vocals that sound: add some"):
        mixer([voiceless])
    with pytest.raises(InputError, match="backings"):
        mixer([replace(entry(1), accompaniment=None)])
    with pytest.raises(InputError, match="chance"):
        MixSettings(mid=1.5)
    song = entry(1, stems=QUARTET)
    with pytest.raises(InputError, match="no song has vocals that sound: add some"):
        Timeline([replace(song, activity=np.zeros_like(song.activity))], stems=QUARTET)
    with pytest.raises(InputError, match="no song has all of vocals, drums, bass, other: add"):
        Timeline([replace(song, vocals=None)], stems=QUARTET)


def test_packed_songs_are_what_they_were(tmp_path):
    """Four stems accompany with the sum of three; a damaged file is named, the rest goes on."""
    from isolde.datasets.mixing.packed import is_packed, packed_songs

    quartet = entry(1, stems=QUARTET)
    parts = np.stack([getattr(quartet, stem) for stem in QUARTET])
    for kind, sound in (("quartet", parts), ("pair", parts[:2]), ("backing", parts[1:2])):
        (tmp_path / kind).mkdir()
        np.save(tmp_path / kind / "An_Artist_-_A_Song.npy", sound)
    np.save(tmp_path / "pair" / "wrong.npy", parts[:1])
    assert is_packed(tmp_path) and not is_packed(tmp_path / "pair")
    entries, problems = packed_songs(tmp_path)
    assert len(problems) == 1 and "wrong.npy" in problems[0]
    assert [e.artist for e in entries] == ["An Artist"] * 3
    songs = Timeline(entries, stems=PAIR)
    assert [(s.voice, s.backing) for s in songs.songs] == [
        (True, True),
        (True, True),
        (False, True),
    ]
    first, second, third = songs.songs
    np.testing.assert_array_equal(songs.samples[0, :, first.start : first.end], parts[0])
    np.testing.assert_array_equal(songs.samples[1, :, first.start : first.end], parts[1:].sum(0))
    np.testing.assert_array_equal(songs.samples[1, :, second.start : second.end], parts[1])
    assert songs.samples[0, :, third.start : third.end].abs().max() == 0
    assert len(Timeline(entries, stems=QUARTET).songs) == 1


def test_packed_songs_may_tell_where_their_voice_sounds(tmp_path):
    from isolde.datasets.mixing.packed import packed_songs

    song = entry(1)
    (tmp_path / "pair").mkdir()
    for name in ("told", "heard", "silent", "wrong"):
        np.save(tmp_path / "pair" / f"{name}.npy", np.stack([song.vocals, song.accompaniment]))
    told = np.arange(1 + -(-song.vocals.shape[1] // 256)) % 2
    told.astype(np.uint8).tofile(tmp_path / "pair" / "told.activity")
    (tmp_path / "pair" / "silent.activity").touch()
    told[1:].astype(np.uint8).tofile(tmp_path / "pair" / "wrong.activity")
    (heard, silent, other), problems = packed_songs(tmp_path)
    assert heard.activity.all() and not silent.activity.any()
    assert len(silent.activity) == len(told)
    np.testing.assert_array_equal(other.activity, told == 1)
    assert len(problems) == 1 and "wrong.activity is for" in problems[0]
