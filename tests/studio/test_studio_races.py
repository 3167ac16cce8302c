"""The page where hands, server and audio thread are at odds for a moment: what is seen is heard."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from studio_browser import NEEDS, add, ask, opened, until, wav
from studio_server import outer_address, start

pytestmark = NEEDS

HOOK = """
window.AudioWorkletNode = class extends AudioWorkletNode {
  constructor(...given) {
    super(...given);
    const port = super.port;
    const own = {
      postMessage: (message, moved) => (window.told?.(message), port.postMessage(message, moved)),
    };
    Object.defineProperty(own, "onmessage", {
      set: (act) => (port.onmessage = (event) => (window.heard?.(event.data), act(event))),
    });
    Object.defineProperty(this, "port", { value: own });
  }
};
"""
"""Lets tests act before a message of the page or of the audio thread comes."""


@pytest.fixture
def hooked(page: Any) -> Any:
    """A page between whose messages tests may act."""
    page.add_init_script(HOOK)
    page.reload()
    page.locator("#model-list .choice").first.wait_for(state="attached")
    return page


def test_a_loop_whose_end_has_sounded_already_begins(hooked: Any):
    add(hooked, "song", wav(9))
    hooked.evaluate(
        "void (window.told = ({ do: what, values }) => {"
        " const from = performance.now();"
        " while (what === 'set' && values.loop && performance.now() < from + 200); })"
    )
    ask(hooked, "(player.seek(2), await player.play())")
    until(hooked, "player.position > 2.1")
    hooked.keyboard.press("l")
    until(hooked, "player.position > 2.6")
    hooked.keyboard.press("l")
    start, end = ask(hooked, "player.loop")
    hooked.evaluate(
        "(window.places = [], void (window.heard = ({ at }) => places.push(at / 44100)))"
    )
    hooked.wait_for_timeout(1500)
    places = hooked.evaluate("places")[10:]
    assert places and max(places) <= end + 0.01, (start, end)


def test_a_jump_at_the_very_end_plays_on(hooked: Any):
    add(hooked, "song", wav(3))
    hooked.evaluate(
        "async () => { const { player } = await import('/page/main.js');"
        " window.heard = ({ ended }) => { if (ended) (window.heard = null), player.seek(1); }; }"
    )
    ask(hooked, "(player.seek(2.5), await player.play())")
    until(hooked, "1 <= player.position && player.position < 2")
    assert ask(hooked, "player.playing")
    until(hooked, "player.level(1) > 0.001", 1)


def test_a_song_that_is_ready_before_the_ring_is_plays(page: Any):
    add(page, "song", wav(3))
    ask(
        page,
        "(player.open({ ...song(), state: 'separating', n_samples: null, seconds: null }),"
        " player.update(song()), await player.play())",
    )
    until(page, "player.playing && player.position > 0.3", 5)


STRETCHED = """
async (pause) => {
  const { song } = await import("/page/main.js");
  const { wire } = await import("/page/player.js");
  const api = await import("/page/api.js");
  const [now, rate] = [song(), 44100];
  const context = new OfflineAudioContext(1, 2 * rate, rate);
  const { ring, gains } = await wire(context, now);
  gains[0].gain.value = 1;
  const post = (message) => ring.port.postMessage(message);
  for (let index = 0; index * api.CHUNK < now.n_samples; index++)
    post({ do: "put", index, stems: await api.chunk(now, index) });
  post({ do: "set", values: { end: now.n_samples, loop: [2 * rate, 4 * rate] } });
  post({ do: "stretch", tempo: 0.9, key: 0 });
  await new Promise((done) => setTimeout(done, 1500)); // it is compiled
  post({ do: "seek", at: 3.5 * rate, jump: 1 });
  let at = 0;
  ring.port.onmessage = ({ data }) => (at = data.at);
  post({ do: "play" });
  await new Promise((done) => setTimeout(done, 100));
  context.suspend(pause).then(() => {
    post({ do: "set", values: { loop: null } });
    setTimeout(() => context.resume(), 100);
  });
  const sound = (await context.startRendering()).getChannelData(0).slice(-rate / 4);
  await new Promise((done) => setTimeout(done, 100));
  const crossings = sound.filter((value, i) => i && value >= 0 !== sound[i - 1] >= 0).length;
  return [at / rate, 2 * crossings];
}
"""
"""The place that the ring tells, and the pitch in Hz that it gives, where a loop is ended."""


@pytest.mark.parametrize("pause", [0.3, 0.5, 0.54, 0.56, 0.58, 0.6, 0.62])
def test_the_clock_and_the_ear_agree_where_a_loop_is_ended_that_was_read_ahead(
    page: Any, pause: float
):
    time = np.arange(9 * 44_100) / 44_100
    file = io.BytesIO()
    tone = 0.5 * np.sin(2 * np.pi * (300 * time + 50 * time**2))  # 300 Hz, 100 Hz more each second
    soundfile.write(file, tone, 44_100, format="WAV", subtype="FLOAT")
    add(page, "rising", file.getvalue())
    at, hertz = page.evaluate(STRETCHED, pause)
    assert (hertz - 300) / 100 == pytest.approx(at - 0.11, abs=0.25)


def test_held_keys_turn_nothing_on_and_off(page: Any):
    add(page, "song", wav(9))
    page.focus("#stage")
    for key, told in ((" ", "player.playing"), ("m", "mixer.gains[0] === 0")):
        assert ask(page, told) is False
        for _ in range(4):
            page.keyboard.down(key)
        page.keyboard.up(key)
        until(page, told, 5)
        page.wait_for_timeout(200)
        assert ask(page, told) is True
    ask(page, "(player.pause(), player.seek(0))")
    for _ in range(2):
        page.keyboard.down("ArrowLeft" if ask(page, "player.position > 6") else "ArrowRight")
    assert ask(page, "player.position") == pytest.approx(9, abs=0.01)
    page.keyboard.up("ArrowRight")


def test_phrases_that_come_leave_the_focus_and_an_open_menu(page: Any):
    add(page, "song", wav(3))
    page.evaluate(
        "async () => { const { song } = await import('/page/main.js');"
        " const { Downloads } = await import('/page/downloads.js');"
        " window.now = song();"
        " const stretched = () => false;"
        " window.shown = new Downloads({ mix: () => ({}), stretched, jump() {}, loop() {} });"
        " shown.show({ ...now, state: 'separating', segments: [[0, 1, 1]] });"
        " document.querySelector('#phrases .round').focus();"
        " window.option = document.querySelector('#format option');"
        " shown.show({ ...now, state: 'separating', segments: [[0, 1, 1], [2, 3, 1]] }); }"
    )
    assert page.evaluate("document.activeElement.ariaLabel") == "Loop the phrase at 0:00.0"
    assert page.evaluate("option.isConnected")
    assert page.locator("#phrases li").count() == 2
    page.evaluate("shown.show({ ...now, segments: [[0, 1.5, 1], [2, 3, 1]] })")
    assert page.locator("#phrases b").first.inner_text().endswith("0:01.5")
    page.evaluate("shown.show({ ...now, segments: [] })")
    assert page.inner_text("#phrases") == "no singing was found"


def test_bars_of_phrases_stay_when_more_come(page: Any):
    add(page, "song", wav(9))
    told = page.evaluate(
        "async () => { const { Waveform } = await import('/page/waveform.js');"
        " const media = Object.assign(new EventTarget(), { currentTime: 0, paused: true });"
        " Object.defineProperty(media, 'duration', { get: () => 9 });"
        " const box = document.body.appendChild(document.createElement('div'));"
        " const wave = new Waveform(box, 50, { media });"
        " await wave.surfer.load('', [new Float32Array(9)], 9);"
        " const bars = () => wave.regions.getRegions();"
        " const spans = () => bars().map(({ start, end }) => [start, end]);"
        " wave.mark('phrase', [[1, 2], [3, 4]], {});"
        " const before = bars();"
        " wave.mark('phrase', [[1, 2], [3, 4.5], [5, 6]], {});"
        " const after = [bars()[0] === before[0], spans()];"
        " wave.mark('phrase', [], {}); box.remove();"
        " return [...after, bars().length]; }"
    )
    assert told == [True, [[1, 2], [3, 4.5], [5, 6]], 0]


@pytest.mark.parametrize("touch", [False, True])
def test_who_has_no_mouse_is_not_told_to_drop(browser: Any, studio: Any, touch: bool):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=touch, is_mobile=touch
    )
    page = opened(context, studio.address, [])
    told = page.inner_text("main")
    assert ("Drop" in told, "Choose a song." in told) == (not touch, touch)
    context.close()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """The address of a server as another computer has it."""
    addresses = outer_address()
    if not addresses:
        pytest.skip("this computer has no other address")
    running = start(tmp_path, "--host", addresses[0])
    yield running.address
    running.end()


def test_another_computer_is_told_why_nothing_sounds(browser: Any, elsewhere: str):
    page = browser.new_page()
    page.goto(elsewhere)
    page.locator("#trouble").wait_for()
    assert "no sound without https" in page.inner_text("#trouble")
    page.close()
