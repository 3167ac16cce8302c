"""The page while songs come, are wished otherwise and go: what it shows is what the server has.

Answers are held where a wish must not come true too soon; nothing waits for a fixed time.
"""

import json
from typing import Any

import pytest
from studio_browser import NEEDS, add, ask, drop, listed, opened, until, wait, wav
from studio_server import Studio

pytestmark = NEEDS

AGAIN = "**/songs/*/again?*"
MORE = "[aria-label='Remove more']"
LESS = "[aria-label='Remove less']"


@pytest.fixture(scope="module")
def long() -> bytes:
    """Half a minute, of which nobody separates the end at once."""
    return wav(30)


def send(page: Any, path: str, data: bytes) -> None:
    """Let the page's session bring a song without the page."""
    body = f"Uint8Array.from({list(data)})"
    page.evaluate(f"fetch('{path}', {{ method: 'POST', body: {body} }})")


def until_listed(page: Any, *wanted: tuple[str, str, float]) -> None:
    """Until the server has these songs, of name, model and strength, and no others."""
    for _ in range(600):
        has = sorted((song["name"], song["model"], song["strength"]) for song in listed(page))
        if has == sorted(wanted):
            return
        page.wait_for_timeout(50)
    raise AssertionError(has)


def choose(page: Any, model: str) -> None:
    page.locator(f"#model-list [value={model}]").evaluate("(radio) => radio.click()")


def shown(page: Any) -> tuple[str, str, str]:
    """Model of the list, model of the button, and strength."""
    checked = page.evaluate("document.querySelector('[name=model]:checked').value")
    return checked, page.inner_text("#model-name"), page.inner_text("#strength")


def rows(page: Any) -> list[str]:
    names: list[str] = page.locator(".song b").all_inner_texts()
    return names


def test_a_wish_that_is_taken_back_leaves_the_song_as_it_is(page: Any, long: bytes):
    first = add(page, "long", long)
    ask(page, "player.seek(27)")
    with page.expect_response(AGAIN):
        choose(page, "vocals-large")
    choose(page, "vocals")
    until_listed(page, ("long.wav", "vocals", 1))
    assert ask(page, "song().id") == first
    assert shown(page) == ("vocals", "vocals", "1.0")
    assert rows(page) == ["long"]


def test_of_many_wishes_the_last_one_comes_true(page: Any):
    add(page, "song", wav(3))
    held: list[Any] = []
    hold(page, AGAIN, held)
    for strength in ("1.25", "1.5", "1.75"):
        page.click(MORE)
        assert shown(page)[2] == strength
        if not held:  # the others are wished for while the server has not answered the first one
            wait(page, lambda: held)
    for n in (0, 1):
        wait(page, lambda n=n: len(held) > n)
        with page.expect_response(AGAIN):
            held[n].continue_()
    until(page, "song().strength === 1.75")
    until_listed(page, ("song.wav", "vocals", 1.75))
    assert shown(page) == ("vocals", "vocals", "1.75")
    assert rows(page) == ["song"]


def hold(page: Any, pattern: str, held: list[Any]) -> None:
    """Keep the requests that are made from now on, until somebody lets them go."""
    page.route(pattern, lambda route: held.append(route))


def test_arrows_through_the_models_ask_for_the_last_one_only(page: Any):
    add(page, "song", wav(3))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.click(".menu")
    page.locator("#model-list :checked").focus()
    with page.expect_request(AGAIN):
        for _ in range(3):
            page.keyboard.press("ArrowDown")
    model = shown(page)[0]
    page.keyboard.press("Escape")
    until(page, f"song().model === '{model}'")
    assert len([url for url in asked if "/again?" in url]) == 1


def test_a_model_that_is_not_in_the_menu_has_no_line_of_another(page: Any):
    page.evaluate(
        "async () => { const { Choice } = await import('/page/choice.js');"
        " const models = await (await fetch('/about')).json().then((told) => told.models);"
        " new Choice({ models, model: 'vocals', strength: 1 }).show("
        "{ model: '/own.onnx', strength: 1 }); }"
    )
    assert page.text_content("#model-name") == "/own.onnx"
    assert page.text_content("#model-line") == ""


def refuse(route: Any) -> None:
    told = json.dumps({"error": "64 songs are open: remove some first"})
    route.fulfill(status=422, content_type="application/json", body=told)


def test_after_a_refusal_the_songs_own_settings_are_shown(page: Any):
    first = add(page, "song", wav(1))
    page.route(AGAIN, refuse)
    trouble = page.locator("#trouble")
    for act in (lambda: choose(page, "stems"), lambda: page.click(MORE)):
        act()
        trouble.wait_for()
        assert "64 songs are open" in trouble.inner_text()
        assert shown(page) == ("vocals", "vocals", "1.0")
        trouble.locator("button").click()
        trouble.wait_for(state="hidden")
    page.click(LESS)
    trouble.wait_for()
    page.click("#demo")
    trouble.wait_for(state="hidden")
    assert first in [song["id"] for song in listed(page)]


def test_after_a_failure_the_songs_own_settings_are_shown(page: Any):
    first = add(page, "song", wav(1))
    told = {**ask(page, "song()"), "id": "another", "replaces": first}
    told |= {"state": "failed", "error": "no memory"}
    page.route(AGAIN, lambda route: route.fulfill(status=201, json=told))
    page.click(MORE)
    page.locator("#trouble:has-text('no memory')").wait_for()
    assert shown(page) == ("vocals", "vocals", "1.0")
    assert (ask(page, "song().id"), rows(page)) == (first, ["song"])


def test_a_wish_goes_on_without_the_listener(page: Any, long: bytes):
    old = add(page, "long", long)
    add(page, "short", wav(1))
    page.locator(".song .pick").first.click()
    until(page, f"song().id === '{old}'")
    ask(page, "(player.pause(), player.seek(27))")
    with page.expect_response(AGAIN):
        choose(page, "vocals-large")
    page.locator(".song .pick").last.click()
    until_listed(page, ("long.wav", "vocals-large", 1), ("short.wav", "vocals", 1))
    assert rows(page) == ["long", "short"]
    assert ask(page, "song().name") == "short.wav"
    assert shown(page) == ("vocals", "vocals", "1.0")


def test_a_reload_leaves_a_wish_where_it_was(page: Any, long: bytes):
    old = add(page, "long", long)
    add(page, "short", wav(1))
    page.locator(".song .pick").first.click()
    until(page, f"song().id === '{old}'")
    with page.expect_response(AGAIN):
        choose(page, "vocals-large")
    page.reload()
    until(page, "song()?.name === 'long.wav'")
    assert rows(page) == ["long", "short"]
    until(page, "song().model === 'vocals-large'")
    until_listed(page, ("long.wav", "vocals-large", 1), ("short.wav", "vocals", 1))
    assert shown(page) == ("vocals-large", "vocals-large", "1.0")
    page.reload()
    until(page, "song()?.name === 'long.wav'")
    wait(page, lambda: rows(page) == ["long", "short"])


@pytest.mark.parametrize("held", [False, True])
def test_a_wish_that_the_hands_or_the_server_are_still_at_is_not_lost(page: Any, held: bool):
    add(page, "one", wav(1))
    add(page, "two", wav(1))
    routes: list[Any] = []
    if held:
        hold(page, AGAIN, routes)
    page.click(MORE)
    if held:
        wait(page, lambda: routes)
    page.locator(".song .pick").first.click()
    until(page, "song().name === 'one.wav'")
    for route in routes:
        route.continue_()
    until_listed(page, ("one.wav", "vocals", 1), ("two.wav", "vocals", 1.25))
    until(page, "document.querySelectorAll('.song').length === 2")
    assert rows(page) == ["one", "two"]
    assert shown(page) == ("vocals", "vocals", "1.0")


def test_a_removed_song_takes_its_wish_with_it(page: Any, long: bytes):
    add(page, "long", long)
    ask(page, "player.seek(27)")
    with page.expect_response(AGAIN):
        choose(page, "vocals-large")
    page.locator(".song.on .away").click()
    until_listed(page)
    assert rows(page) == []
    page.locator("main.bare").wait_for()


def test_a_removed_upload_is_sent_no_further(page: Any):
    held: list[Any] = []
    hold(page, "**/songs?name=*", held)
    drop(page, "away.wav", wav(1))
    row = page.locator(".song:has-text('uploading')")
    row.wait_for()
    with page.expect_event("requestfailed"):
        row.locator(".away").click()
    page.unroute("**/songs?name=*")
    drop(page, "here.wav", wav(1))
    until(page, "song()?.name === 'here.wav'")
    wait(page, lambda: rows(page) == ["here"])
    assert page.locator("#trouble").is_hidden()
    until_listed(page, ("here.wav", "vocals", 1))


def test_nothing_is_asked_of_a_song_that_went(page: Any, studio: Studio):
    add(page, "song", wav(2))
    page.locator(".song.on .away").click()
    until_listed(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        "async () => { for (let i = 0; i < 40; i++) await new Promise(requestAnimationFrame); }"
    )
    assert [url for url in asked if "/songs/" in url] == []


def test_another_window_goes_on_with_what_takes_the_songs_place(page: Any, studio: Studio):
    first = add(page, "song", wav(4))
    raised: list[str] = []
    other = opened(page.context, studio.address, raised)  # the address with the token, once more
    until(other, f"song()?.id === '{first}' && player.song")
    ask(other, "player.seek(2)")
    page.click(MORE)
    until(page, "song().strength === 1.25")
    until(other, "song()?.strength === 1.25 && player.song?.strength === 1.25")
    assert ask(other, "[player.position, player.playing]") == [pytest.approx(2, abs=0.01), False]
    until(other, "document.querySelectorAll('.song').length === 1")
    assert shown(other) == ("vocals", "vocals", "1.25")
    page.locator(".song.on .away").click()
    other.locator("main.bare").wait_for()
    assert raised == []


def test_keys_and_readers_know_where_they_are_in_the_list(page: Any):
    page.on("filechooser", lambda _: None)  # Chromium is told early that choosers are ours
    for name in ("one", "two", "three"):
        add(page, name, wav(1))
    assert page.locator(".song.on .pick").get_attribute("aria-current") == "true"
    assert page.locator("[aria-current]").count() == 1
    focused = "document.activeElement.ariaLabel || document.activeElement.id"
    page.locator(".song .away").nth(1).focus()
    for wanted in ("Remove three", "Remove one", "file"):
        page.keyboard.press("Enter")
        wait(page, lambda wanted=wanted: page.evaluate(focused) == wanted)
    with page.expect_file_chooser():
        page.keyboard.press("Space")


def test_space_on_a_tab_of_the_picture_is_the_tabs(page: Any):
    add(page, "song", wav(1))
    page.focus("[name=layer][value=both]")
    page.keyboard.press("Space")
    assert ask(page, "player.playing") is False
    page.focus("#stage")
    page.keyboard.press("Space")
    until(page, "player.playing")


def test_songs_of_one_title_name_their_models(page: Any):
    add(page, "song", wav(1))
    assert page.inner_text(".song small").startswith("0:01 · ready")
    send(page, "/songs?name=song.wav&model=vocals-live&strength=1.5", wav(1))
    until(page, "document.querySelectorAll('.song').length === 2")
    told = page.locator(".song small").all_inner_texts()
    assert [line.partition(" · ")[0] for line in told] == ["vocals", "vocals-live 1.5"]


def test_a_ready_song_in_which_nobody_sings_says_so(page: Any):
    add(page, "noise", wav(1))
    wait(page, lambda: page.inner_text("#phrases") == "no singing was found")


def test_many_songs_leave_the_player_where_it_is(page: Any):
    add(page, "song", wav(1))
    page.evaluate(
        "for (let i = 0; i < 40; i++)"
        " document.querySelector('#list').append(document.querySelector('.song').cloneNode(true))"
    )
    tall, inner, outer = page.evaluate(
        "[document.querySelector('#songs').clientHeight,"
        " document.querySelector('#list').scrollHeight,"
        " document.querySelector('#list').clientHeight]"
    )
    assert tall <= 900
    assert inner > 2 * outer
    page.locator(".song").last.scroll_into_view_if_needed()
    assert page.locator("#title").is_visible()
    assert page.evaluate("scrollY") == 0


def test_a_title_has_three_lines_and_a_swipe_leaves_the_faders(browser: Any, studio: Studio):
    context = browser.new_context(viewport={"width": 375, "height": 700}, has_touch=True)
    page = opened(context, studio.address, [])
    song = add(page, "a very long name of a song " * 7 + "x", wav(1))
    height, line = page.evaluate(
        "[document.querySelector('#title').clientHeight,"
        " parseFloat(getComputedStyle(document.querySelector('#title')).lineHeight)]"
    )
    assert height <= 3 * line + 1
    fader = page.locator(".fader input").first
    fader.scroll_into_view_if_needed()
    before = fader.input_value()
    box = fader.bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 2
    touch = context.new_cdp_session(page)
    scrolled = page.evaluate("scrollY")
    for kind, points in (
        ("touchStart", [(x, y)]),
        *(("touchMove", [(x + step / 4, y - 12 * step)]) for step in range(1, 9)),
        ("touchEnd", []),
    ):
        places = [{"x": px, "y": py} for px, py in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})
    wait(page, lambda: page.evaluate("scrollY") > scrolled)
    assert fader.input_value() == before
    assert ask(page, "mixer.gains") == [1, 1]
    page.evaluate(f"fetch('/songs/{song}', {{ method: 'DELETE' }})")
    context.close()
