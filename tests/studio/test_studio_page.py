"""The page in a real browser: it sounds as the song, can be read and reached, and leaks nothing.

Skipped where there is no Chromium (Debian: apt install chromium) or no playwright.
"""

import base64
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from studio_browser import NEEDS, ask, drop, probe, until, until_probed
from studio_server import Studio, start

from helpers.sounds import decibel, noise
from isolde.separation import FileSettings, SeparationSettings, Song, separate_file

pytestmark = NEEDS

RATE = 44_100
SECONDS = 6.0
TONE_HZ = 330.0


@pytest.fixture(scope="module")
def page(browser: Any, studio: Studio) -> Iterator[Any]:
    """One page for all tests; it must ask nobody but its server, and raise nothing."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    asked, raised = [], []
    context.on("request", lambda request: asked.append(request.url))
    opened = context.new_page()
    opened.on("pageerror", lambda error: raised.append(str(error)))
    opened.on("console", lambda said: raised.append(said.text) if "policy" in said.text else None)
    opened.goto(studio.address)
    yield opened
    context.close()
    origin = f"http://127.0.0.1:{studio.port}/"
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith((origin, f"blob:{origin}"))] == []
    assert raised == []


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("song") / "song.wav"
    time = np.arange(round(SECONDS * RATE)) / RATE
    tone = 0.3 * np.sin(2 * np.pi * TONE_HZ * time) * (np.sin(np.pi * time) > 0)
    soundfile.write(path, (noise(2, len(time), peak=0.1) + tone).T, RATE, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def dropped(page: Any, song: Path) -> Any:
    """The page with the song dropped on it and separated."""
    drop(page, "song.wav", song.read_bytes())
    until(page, "player.song && player.playing && player.position > 0.1")
    until(page, "player.song.state === 'ready'")
    return page


def rendered(page: Any, gains: list[float], *, tempo: float = 1, key: int = 0) -> np.ndarray:
    """What the page's graph gives, (2, n_samples)."""
    data = base64.b64decode(probe(page, "render", [gains, tempo, key]))
    return np.frombuffer(data, "<f4").reshape(2, -1)


def null(a: np.ndarray, b: np.ndarray) -> float:
    return decibel(float(np.mean((a.astype(float) - b) ** 2)))


def test_faders_at_one_are_the_song(dropped: Any, song: Path):
    mixture, _ = soundfile.read(song, dtype="float32")
    sound = rendered(dropped, [1, 1])
    assert sound.shape == mixture.T.shape
    assert decibel(float(np.mean(sound.astype(float) ** 2))) > -25
    assert null(mixture.T, sound) < -90


def test_one_fader_is_the_file_of_the_command(dropped: Any, song: Path, tmp_path: Path):
    separate_file(
        Song(song, "song"), FileSettings(output=tmp_path, separation=SeparationSettings("vocals"))
    )
    vocals, _ = soundfile.read(tmp_path / "song" / "vocals.wav", dtype="float32")
    band, _ = soundfile.read(tmp_path / "song" / "accompaniment.wav", dtype="float32")
    assert null(vocals.T, rendered(dropped, [1, 0])) < -80
    assert null(band.T, rendered(dropped, [0, 1])) < -80
    with dropped.expect_download() as waiting:
        dropped.click("#downloads a:has-text('Vocals')")
    assert waiting.value.suggested_filename == "song - vocals.wav"
    path = waiting.value.path()
    assert Path(path).read_bytes() == (tmp_path / "song" / "vocals.wav").read_bytes()


@pytest.mark.parametrize(("tempo", "key"), [(0.5, 0), (1.5, 0), (1, 6), (1, -6), (0.75, 3)])
def test_tempo_and_key_change_one_without_the_other(dropped: Any, tempo: float, key: int):
    sound = rendered(dropped, [1, 1], tempo=tempo, key=key).mean(axis=0)
    assert len(sound) == round(SECONDS * RATE / tempo)

    def part(start: float, end: float) -> np.ndarray:  # of the song, in its own seconds
        return sound[round(start / tempo * RATE) : round(end / tempo * RATE)]

    tone, rest = part(2.2, 2.8), part(3.2, 3.8)
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone))))
    hertz = spectrum.argmax() * RATE / len(tone)
    assert hertz == pytest.approx(TONE_HZ * 2 ** (key / 12), rel=0.01)
    assert np.mean(tone**2) > 8 * np.mean(rest**2), "the tone is not where it was"


def test_the_crossfade_and_the_keys_silence_stems(dropped: Any):
    dropped.focus("#stage")
    dropped.fill("#cross", "-1")
    assert ask(dropped, "mixer.gains") == [0, 1]
    dropped.keyboard.press("m")
    assert dropped.get_attribute("[title='Mute Vocals']", "aria-pressed") == "true"
    dropped.keyboard.press("0")
    assert ask(dropped, "mixer.gains") == [1, 1]
    dropped.keyboard.press("2")
    assert ask(dropped, "mixer.gains") == [0, 1]
    dropped.keyboard.press("Shift+Digit2")
    dropped.keyboard.press("0")
    assert ask(dropped, "mixer.gains") == [1, 1]


def test_a_muted_stem_is_silent_to_the_ear(dropped: Any):
    ask(dropped, "(player.setLoop([2, 5.9]), player.seek(2.2), await player.play())")
    until(dropped, "player.level(1) > 0.02")
    ask(dropped, "mixer.mute(1)")
    dropped.wait_for_timeout(150)
    assert ask(dropped, "player.level(1)") == 0
    assert ask(dropped, "player.playing") is True
    ask(dropped, "mixer.reset()")
    until(dropped, "player.level(1) > 0.02")


def test_a_loop_stays_inside_and_a_jump_lands(dropped: Any):
    dropped.focus("#stage")
    ask(dropped, "(player.setLoop([3, 3.4]), player.seek(3), await player.play())")
    places = []
    for _ in range(12):
        places.append(ask(dropped, "player.position"))
        dropped.wait_for_timeout(70)
    assert 2.99 <= min(places) and max(places) <= 3.45
    ask(dropped, "(player.setLoop(null), player.pause())")
    dropped.keyboard.press("ArrowLeft")
    assert ask(dropped, "player.position") == 0
    dropped.keyboard.press("ArrowRight")
    assert ask(dropped, "player.position") == pytest.approx(5, abs=0.01)
    dropped.keyboard.press("ArrowRight")
    assert ask(dropped, "player.position") == pytest.approx(SECONDS, abs=0.01)


@pytest.mark.parametrize(("presses", "tempo"), [("-" * 10, 0.5), ("+" * 10, 1.5)])
def test_tempo_changes_the_clock_and_still_sounds(dropped: Any, presses: str, tempo: float):
    ask(dropped, "(player.seek(0.5), await player.play())")
    for key in presses:
        dropped.keyboard.press(key)
    until(dropped, "player.tempo !== 1 && !player.starved && player.level(1) > 0.01")
    assert ask(dropped, "player.tempo") == tempo
    note = dropped.locator("#downloads a:has-text('This mix') small")
    assert note.inner_text() == "faded, at the song's own tempo and key"
    first = ask(dropped, "[player.position, performance.now()]")
    dropped.wait_for_timeout(900)
    second = ask(dropped, "[player.position, performance.now()]")
    speed = 1000 * (second[0] - first[0]) / (second[1] - first[1])
    assert speed == pytest.approx(tempo, rel=0.1)
    dropped.keyboard.press("0")
    until(dropped, "player.tempo === 1 && player.level(1) > 0.01")
    assert note.inner_text() == "as faded"
    ask(dropped, "player.pause()")


def test_the_picture_is_drawn_in_both_colours(dropped: Any):
    seen = {}
    for layer in ("mixture", "vocals", "mask", "both"):
        dropped.click(f"[name=layer][value={layer}] + span")
        for _ in range(100):  # until the server has painted all of it
            if probe(dropped, "layers") == [layer]:
                break
            dropped.wait_for_timeout(50)
        seen[layer] = probe(dropped, "colours")
    assert seen["mixture"][1] > 3 > seen["mixture"][0]
    assert seen["vocals"][0] > seen["vocals"][1]
    assert seen["mask"][0] > seen["mask"][1]
    assert seen["both"][0] > seen["mixture"][0]


def test_the_waveform_has_the_voice_inside_and_regions_where_it_is_sung(dropped: Any):
    segments = ask(dropped, "(await (await fetch(`/songs/${song().id}/activity`)).json()).segments")
    assert segments
    regions = sorted(probe(dropped, "regions", "phrase"))
    expected = [(100 * a / SECONDS, 100 * (1 - b / SECONDS)) for a, b, _ in segments]
    assert np.allclose(regions, expected, atol=0.1)
    mixture, vocals = probe(dropped, "waves")
    assert 0.05 < vocals < mixture < 0.9, "shares of the canvases that are painted"


def test_drawing_on_the_picture_loops_what_was_drawn(dropped: Any):
    ask(dropped, "(player.pause(), player.seek(0))")
    box = dropped.locator("#view").bounding_box()

    def at(seconds: float) -> tuple[float, float]:
        return box["x"] + seconds / SECONDS * box["width"], box["y"] + box["height"] / 3

    dropped.mouse.move(*at(2))
    dropped.mouse.down()
    dropped.wait_for_timeout(150)
    dropped.mouse.move(*at(3))
    dropped.mouse.move(*at(4), steps=4)
    dropped.mouse.up()
    until(dropped, "player.loop")
    assert ask(dropped, "player.loop") == pytest.approx([2, 4], abs=0.05)
    until(dropped, "Math.abs(player.position - 2) < 0.05")
    wanted = [pytest.approx([100 / 3, 100 / 3], abs=1)]
    until_probed(dropped, "regions", "loop", wanted)
    dropped.click("#loop-button")
    until(dropped, "player.loop === null")
    dropped.mouse.click(*at(5))
    until(dropped, "Math.abs(player.position - 5) < 0.05")


def test_a_jump_ahead_says_how_long_and_then_sounds(dropped: Any):
    dropped.click("#demo")
    until(dropped, "song()?.name === 'isolde demo.wav' && player.song?.id === song().id")
    ask(dropped, "(player.seek(18), await player.play())")
    told = set()
    for _ in range(600):
        told.add(dropped.inner_text("#status-text"))
        if ask(dropped, "player.position > 18.2"):
            break
        dropped.wait_for_timeout(50)
    until(dropped, "player.position > 18.2 && player.level(1) > 0.001")
    assert any(text.startswith("plays in ") for text in told), told


def test_another_strength_goes_on_where_the_song_is(dropped: Any):
    until(dropped, "song().state === 'ready'")
    first = ask(dropped, "song().id")
    ask(dropped, "(player.setLoop([4, 5]), player.seek(4), await player.play())")
    dropped.click("[aria-label='Remove more']")
    until(dropped, f"song().id !== '{first}' && player.playing && player.level(1) > 0.001")
    assert ask(dropped, "song().strength") == 1.25
    assert 4 <= ask(dropped, "player.position") <= 5
    dropped.wait_for_timeout(200)
    assert dropped.locator(".song").count() == 2
    dropped.locator(".song.on .away").click()
    dropped.locator(".song:has-text('song') .pick").click()
    until(dropped, "song()?.name === 'song.wav' && player.song?.id === song().id")
    assert dropped.inner_text("#strength") == "1.0"


def test_the_model_menu_says_what_it_costs_and_four_stems_have_four_faders(dropped: Any):
    first = ask(dropped, "song().id")
    dropped.click(".menu")
    rows = dropped.locator("#model-list .choice")
    assert rows.count() >= 5
    for words in rows.all_inner_texts():
        assert " dB" in words and ("CC BY" in words or "MIT" in words), words
    dropped.locator("#model-list [value=stems]").check()
    dropped.keyboard.press("Escape")
    assert not rows.first.is_visible()
    until(
        dropped, f"song().id !== '{first}' && song().model === 'stems' && song().state === 'ready'"
    )
    assert dropped.locator(".fader b").all_inner_texts() == ["Vocals", "Drums", "Bass", "Other"]
    assert dropped.inner_text("#model-name") == "stems"
    with dropped.expect_download() as waiting:
        dropped.click("#downloads a:has-text('Karaoke')")
    assert waiting.value.suggested_filename == "song - karaoke.wav"
    with dropped.expect_download() as waiting:
        dropped.click("#downloads a:has-text('Stem file')")
    assert waiting.value.suggested_filename == "song.stem.mp4"
    assert Path(waiting.value.path()).read_bytes()[4:8] == b"ftyp"
    dropped.click(".menu")
    dropped.locator("#model-list [value=vocals]").check()
    dropped.keyboard.press("Escape")
    until(
        dropped, "song().model === 'vocals' && song().state === 'ready' && mixer.gains.length === 2"
    )


def test_a_song_that_is_too_large_says_so_in_its_place(browser: Any, song: Path, tmp_path: Path):
    running = start(tmp_path, "--max-upload", "0.0001")
    page = browser.new_page()
    page.goto(running.address)
    page.locator("#demo-large").wait_for()
    drop(page, "song.wav", song.read_bytes())
    page.locator(".song.bad").wait_for(timeout=10_000)
    assert "larger than 0.0001 GB" in page.inner_text(".song.bad")
    page.close()
    running.end()


def test_what_is_no_audio_says_so_in_its_place(dropped: Any):
    drop(dropped, "notes.pdf", b"%PDF-1.7 no sound" * 99)
    row = dropped.locator(".song.bad")
    row.wait_for()
    assert "notes.pdf" in row.inner_text()
    assert "not audio" in row.inner_text()
    row.locator(".away").click()
    assert dropped.locator(".song.bad").count() == 0
    assert ask(dropped, "song().name") == "song.wav"


def test_a_song_of_another_rate_and_width_sounds_and_the_first_one_again(
    dropped: Any, song: Path, tmp_path: Path
):
    sound, _ = soundfile.read(song, frames=2 * RATE)
    soundfile.write(tmp_path / "mono.wav", sound[::2, 0], RATE // 2)
    drop(dropped, "mono.wav", (tmp_path / "mono.wav").read_bytes())
    until(dropped, "song()?.name === 'mono.wav' && song().state === 'ready' && player.song")
    ask(dropped, "(player.setLoop([0, 1.9]), player.seek(0), await player.play())")
    until(dropped, "player.level(1) > 0.001")
    dropped.locator(".song.on .away").click()
    dropped.locator(".song:has-text('song') .pick").click()
    until(dropped, "song()?.name === 'song.wav' && player.playing && player.level(1) > 0.001")
    ask(dropped, "player.pause()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 375, 500, 1100, 1440, 1920])
def test_it_is_readable_at_every_width(dropped: Any, width: int, scheme: str):
    dropped.emulate_media(color_scheme=scheme)
    dropped.set_viewport_size({"width": width, "height": 900})
    until(dropped, f"document.documentElement.dataset.theme === '{scheme}'")
    assert dropped.evaluate("document.documentElement.scrollWidth") <= width
    assert probe(dropped, "contrast") == []
    assert probe(dropped, "nameless") == []


def test_everything_is_reached_by_tab(dropped: Any):
    dropped.set_viewport_size({"width": 1440, "height": 900})
    dropped.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(60):
        dropped.keyboard.press("Tab")
        reached.add(dropped.evaluate("document.activeElement.id || document.activeElement.title"))
    assert {"file", "play", "seek", "cross", "loop-button", "next", "theme", "format"} <= reached
    assert {"Mute Vocals", "Only Accompaniment"} <= reached


def test_two_tabs_a_reload_and_a_closed_tab(dropped: Any, studio: Studio, song: Path):
    other = dropped.context.new_page()
    other.goto(studio.address.partition("?")[0])
    other.locator(".song").wait_for()
    drop(other, "second.wav", song.read_bytes())
    until(other, "song().name === 'second.wav'")
    other.close()
    dropped.locator(".song:has-text('second')").wait_for()
    dropped.reload()
    until(dropped, "song()?.name === 'song.wav'")
    ready = (
        "[...document.querySelectorAll('.song small')].filter((s) => /ready/.test(s.textContent))"
    )
    until(dropped, f"{ready}.length === 2")
    dropped.locator(".song:has-text('second') .away").click(force=True)
    dropped.wait_for_timeout(200)
    assert dropped.locator(".song").count() == 1


def test_ten_songs_leave_no_memory(dropped: Any, song: Path, studio: Studio):
    session = dropped.context.new_cdp_session(dropped)
    session.send("HeapProfiler.enable")
    sound, rate = soundfile.read(song, frames=RATE // 2)
    short = song.with_name("short.wav")
    soundfile.write(short, sound, rate)
    used = []
    for number in range(10):
        drop(dropped, f"short-{number}.wav", short.read_bytes())
        until(
            dropped,
            f"song()?.name === 'short-{number}.wav' && song().state === 'ready' && player.song",
        )
        dropped.locator(".song.on .away").click()
        until(dropped, "!song()")
        session.send("HeapProfiler.collectGarbage")
        used.append(dropped.evaluate("performance.memory.usedJSHeapSize"))
    assert used[9] - used[2] < 2_000_000, used
    assert len(list(studio.folder.rglob("*.f32"))) == 2, "of the first song"


def test_a_server_that_is_gone_is_told(browser: Any, tmp_path: Path):
    """While the page is on, and before it has begun."""
    running = start(tmp_path)
    early = browser.new_page()
    early.route("**/about", lambda route: route.abort())
    early.goto(running.address)
    early.locator("#trouble:not([hidden])").wait_for(timeout=10_000)
    assert "the server does not answer" in early.inner_text("#trouble")
    early.close()
    page = browser.new_page()
    page.goto(running.address)
    page.locator("#demo-large").wait_for()
    running.end(signal.SIGKILL)
    page.locator("#trouble:not([hidden])").wait_for(timeout=10_000)
    assert "start `isolde studio` again" in page.inner_text("#trouble")
    page.close()
