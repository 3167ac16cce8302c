"""A browser, and what tests ask of the page inside it."""

import base64
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from helpers.sounds import noise

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
NEEDS = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
"""Marks of a module whose tests open a browser."""

RATE = 44_100

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required"
).split()
PROBES = Path(__file__).with_name("probes.js").read_text("utf-8")


def launched() -> Iterator[Any]:
    """A browser for as long as a fixture lives."""
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield opened
        opened.close()


def drop(page: Any, name: str, data: bytes) -> None:
    probe(page, "drop", [name, base64.b64encode(data).decode()])


def probe(page: Any, name: str, value: Any = None) -> Any:
    """What a function of probes.js returns inside the page."""
    return page.evaluate(f"(value) => {{ {PROBES} return {name}(value); }}", value)


def ask(page: Any, expression: str) -> Any:
    """A value of the page's own modules: `player`, `mixer`, `song`."""
    return page.evaluate(
        f'async () => {{ const {{ player, mixer, song }} = await import("/page/main.js"); '
        f"return ({expression}); }}"
    )


def until(page: Any, condition: str, seconds: float = 30) -> None:
    for _ in range(round(seconds / 0.05)):
        if ask(page, f"Boolean({condition})"):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {condition}; {ask(page, 'song()')}")


def until_probed(page: Any, name: str, value: Any, wanted: Any, seconds: float = 10) -> None:
    for _ in range(round(seconds / 0.05)):
        if probe(page, name, value) == wanted:
            return
        page.wait_for_timeout(50)
    assert probe(page, name, value) == wanted


def opened(context: Any, address: str, raised: list[str]) -> Any:
    page = context.new_page()
    page.on("pageerror", lambda error: raised.append(str(error)))
    page.goto(address)
    page.locator("#model-list .choice").first.wait_for(state="attached")
    return page


def wav(seconds: float, *, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, noise(1, round(seconds * rate), peak=0.1).T, rate, format="WAV")
    return file.getvalue()


def add(page: Any, name: str, data: bytes) -> str:
    """Its id, once the song is on, separated and does not play."""
    drop(page, f"{name}.wav", data)
    until(page, f"song()?.name === '{name}.wav' && song().state === 'ready' && player.playing")
    ask(page, "player.pause()")
    return str(ask(page, "song().id"))


def listed(page: Any) -> list[dict[str, Any]]:
    """What the server has of the session."""
    told: list[dict[str, Any]] = page.evaluate("async () => (await fetch('/songs')).json()")
    return told


def wait(page: Any, true: Any) -> None:
    for _ in range(600):
        if true():
            return
        page.wait_for_timeout(50)
    raise AssertionError("never")
