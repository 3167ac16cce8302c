"""The page under the hand: keys after clicks, fingers on a phone, refused files, broken lines."""

import json
from pathlib import Path
from typing import Any

import pytest
from studio_browser import NEEDS, add, ask, drop, listed, opened, probe, until, wait, wav
from studio_server import Studio

pytestmark = NEEDS


def test_space_plays_after_a_click_on_anything(page: Any):
    add(page, "song", wav(3))
    with page.expect_file_chooser():
        page.click("#drop")
    page.keyboard.press("Space")
    until(page, "player.playing", 5)
    for place in ("[title='Mute Vocals']", "[name=layer][value=mask] + span", "#zoom-in"):
        playing = ask(page, "player.playing")
        page.click(place)
        page.keyboard.press("Space")
        until(page, f"player.playing !== {json.dumps(playing)}", 5)
    assert page.get_attribute("[title='Mute Vocals']", "aria-pressed") == "true"


def test_space_on_a_button_that_keys_reached_is_the_buttons(page: Any):
    add(page, "song", wav(1))
    page.click("[title='Mute Vocals']")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.get_attribute("[title='Only Vocals']", "aria-pressed") == "true"
    assert ask(page, "player.playing") is False
    page.click("[title='Mute Vocals']")
    page.keyboard.press("Enter")
    assert page.get_attribute("[title='Mute Vocals']", "aria-pressed") == "true"


def test_keys_after_a_click_on_the_picture_draw_no_frame_round_all(page: Any):
    add(page, "song", wav(9))
    page.click("#view", position={"x": 200, "y": 50})
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "stage"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "none"


def test_arrows_go_five_seconds_on_the_strip_below_and_after_a_click_on_a_tab(page: Any):
    add(page, "song", wav(20))
    page.focus("#seek")
    ask(page, "player.seek(1)")
    page.keyboard.press("ArrowRight")
    assert ask(page, "player.position") == pytest.approx(6, abs=0.05)
    page.click("[name=layer][value=mask] + span")
    page.keyboard.press("ArrowRight")
    assert ask(page, "player.position") == pytest.approx(11, abs=0.05)
    assert page.is_checked("[name=layer][value=mask]")


def test_a_sound_device_that_is_slow_to_begin_plays_when_it_does(page: Any):
    page.add_init_script(
        "window.AudioContext = class extends AudioContext {"
        " constructor(options) { super(options); this.suspend(); }"
        " async resume() {"
        " await new Promise((done) => setTimeout(done, 2000)); await super.resume(); } }"
    )
    page.reload()
    page.locator("#model-list .choice").first.wait_for(state="attached")
    drop(page, "song.wav", wav(9))
    until(page, "song()?.state === 'ready' && player.playing && player.position > 0.1", 20)


@pytest.mark.parametrize("width", [320, 360, 390])
def test_on_a_phone_all_is_there_and_a_finger_wide(browser: Any, studio: Studio, width: int):
    context = browser.new_context(
        viewport={"width": width, "height": 844}, has_touch=True, is_mobile=True
    )
    raised: list[str] = []
    page = opened(context, studio.address, raised)
    add(page, "song", wav(10))
    assert page.locator(".legend").is_visible()
    page.tap("#zoom-in")
    page.locator("#window").wait_for()
    assert probe(page, "overlapping") == []
    page.tap("#zoom-all")
    page.locator("#window").wait_for(state="hidden")
    assert probe(page, "overlapping") == []
    assert probe(page, "small", 40) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()
    assert raised == []


@pytest.mark.parametrize("width", [641, 768, 1100, 1440])
def test_nothing_lies_over_anything_else(page: Any, width: int):
    page.set_viewport_size({"width": width, "height": 900})
    add(page, "song", wav(10))
    page.click("#zoom-in")
    assert probe(page, "overlapping") == []


def test_the_waveform_has_no_gap_where_its_pictures_meet(page: Any):
    add(page, "noise", wav(12))
    page.click("#zoom-in")
    page.wait_for_timeout(500)
    heights = probe(page, "seams")
    assert len(heights) >= 4, "mixture and voice in several pictures"
    assert all(last > 0.6 * middle for last, middle in heights if middle > 4)


def test_a_refused_file_has_its_name_once(page: Any):
    drop(page, "notes.wav", b"no sound" * 99)
    row = page.locator(".song.bad")
    row.wait_for()
    assert row.locator("b").inner_text() == "notes.wav"
    assert row.locator("small").inner_text().startswith("not audio")
    assert page.inner_text("#said").startswith("notes.wav: not audio")


def test_a_song_that_the_browser_cannot_play_says_so(page: Any):
    drop(page, "low.wav", wav(1, rate=2000))
    trouble = page.locator("#trouble:has-text('cannot play 1-channel sound at 2000 Hz')")
    trouble.wait_for()
    page.click("#close")
    trouble.wait_for(state="hidden")
    page.click("#play")
    trouble.wait_for()


def test_what_cannot_be_read_says_so_and_what_waits_is_listed(page: Any, tmp_path: Path):
    (tmp_path / "album").mkdir()
    for name in ("one.wav", "two.wav"):
        (tmp_path / name).write_bytes(wav(1))
    held: list[Any] = []
    page.route("**/songs?name=*", lambda route: held.append(route))
    files = [str(tmp_path / name) for name in ("album", "one.wav", "two.wav")]
    mouse = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": files, "dragOperationsMask": 1}
        mouse.send("Input.dispatchDragEvent", {"type": kind, "x": 700, "y": 400, "data": data})
    wait(page, lambda: held)
    assert page.locator(".song b").all_inner_texts() == ["album", "one.wav", "two.wav"]
    told = page.locator(".song small").all_inner_texts()
    assert told[0].startswith("cannot be read: give songs, not a folder")
    assert told[1:] == ["uploading", "waiting"]
    page.locator(".song .away").nth(2).click()
    held[0].continue_()
    until(page, "song()?.name === 'one.wav' && song().state === 'ready'")
    assert len(held) == 1


def test_a_song_that_went_while_the_line_was_broken_goes_from_the_list(
    browser: Any, studio: Studio
):
    context = browser.new_context()
    raised: list[str] = []
    first = opened(context, studio.address, raised)
    for name in ("one", "two"):
        add(first, name, wav(1))
    songs = listed(first)
    page = context.new_page()
    page.on("pageerror", lambda error: raised.append(str(error)))
    body = "retry: 100\n\n"
    body += "".join(f"event: song\ndata: {json.dumps(song)}\n\n" for song in songs)
    lines: list[Any] = [lambda route: route.fulfill(content_type="text/event-stream", body=body)]
    page.route("**/events", lambda route: lines.pop()(route) if lines else held.append(route))
    held: list[Any] = []
    page.goto(studio.address)
    page.locator(".song").nth(1).wait_for()
    wait(page, lambda: held)
    first.evaluate(f"fetch('/songs/{songs[1]['id']}', {{ method: 'DELETE' }})")
    wait(first, lambda: len(listed(first)) == 1)
    held[0].continue_()
    wait(page, lambda: page.locator(".song b").all_inner_texts() == ["one"])
    first.evaluate(f"fetch('/songs/{songs[0]['id']}', {{ method: 'DELETE' }})")
    wait(page, lambda: page.locator(".song").count() == 0)
    context.close()
    assert raised == []
