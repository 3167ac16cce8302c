"""Take the pictures: a server of its own, the song that the package ships, and Chromium."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required"
).split()

DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 1180},
    "has_touch": True,
    "is_mobile": True,
}

STATE = """async () => {
  const { player, song } = await import("/page/main.js");
  return [song()?.state, song()?.ready_seconds ?? 0, player.position];
}"""


PLAY = "import('/page/main.js').then(({ player }) => (player.seek(6.2), player.play()))"


def main(folder: Path) -> None:
    """Take all pictures.

    Args:
        folder: Where they go, as PNG.
    """
    from playwright.sync_api import sync_playwright

    server = subprocess.Popen(
        [sys.executable, "-m", "isolde", "studio", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=FLAGS
            )
            address = server.stdout.readline().strip()
            page = browser.new_page(**DESKTOP, color_scheme="dark")
            page.goto(address)
            page_address = page.url
            page.click("#demo-large")
            wait(page, lambda state, ready, now: now > 7 and ready > 12)
            save(page, folder / "studio-dark.png")
            wait(page, lambda state, ready, now: state == "ready")
            session = page.context.storage_state()  # whose songs are seen
            for name, device in (("light", DESKTOP), ("phone", PHONE)):
                page = browser.new_page(**device, color_scheme="light", storage_state=session)
                page.goto(page_address)
                wait(page, lambda state, ready, now: state == "ready")
                page.click(".picture [value=both] + span")
                page.evaluate(PLAY)
                page.wait_for_timeout(1500)
                save(page, folder / f"studio-{name}.png")
                page.close()
            browser.close()
    finally:
        server.terminate()
        server.wait()


def wait(page: Any, enough: Any) -> None:
    """Until the song is far enough."""
    while not enough(*page.evaluate(STATE)):
        page.wait_for_timeout(100)


def save(page: Any, path: Path) -> None:
    """A picture of what is seen."""
    page.wait_for_timeout(400)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/pictures"))
