"""How soon a dropped song sounds in the studio, what playing costs, and what a long song keeps.

    python benchmarks/studio.py sound [SECONDS [MODEL]]     a song of so many seconds as mp3; needs
                                                            Chromium
    python benchmarks/studio.py memory [SECONDS [MODEL]]    a song of so many seconds as wav; with
                                                            Chromium also what the page keeps of it

The mp3 is the demo song, again and again; the wav is mono at 8 kHz, tones that come and go in
noise, so that an hour of it is separated soon. Prints one line of JSON.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np

from isolde.audio import AudioWriter
from isolde.audio.demo import read_demo

FLAGS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking".split()

WATCH = """async () => {
  const { player } = await import("/page/main.js");
  const input = document.getElementById("file");
  window.heard = new Promise((done) => input.addEventListener("change", () => {
    const began = performance.now();
    const look = () => player.song && player.level(0) + player.level(1) > 0.001
      ? done(performance.now() - began) : requestAnimationFrame(look);
    look();
  }));
}"""


def write_song(path: Path, seconds: float) -> None:
    """The demo song until so many seconds are full."""
    stems, rate = read_demo()
    mixture = np.sum(list(stems.values()), axis=0).astype(np.float32)
    left = round(seconds * rate)
    with AudioWriter(path, sample_rate=rate, n_channels=2, clip="clip") as writer:
        while left > 0:
            writer.write(mixture[:, :left])
            left -= mixture.shape[1]


def write_tones(path: Path, seconds: float) -> None:
    """A tone that comes and goes every 4 s in noise, mono."""
    rate, random = 8000, np.random.default_rng(0)
    time_ = np.arange(8 * rate) / rate
    tone = 0.3 * np.sin(2 * np.pi * 330 * time_) * (np.sin(np.pi * time_ / 4) > 0)
    with AudioWriter(path, sample_rate=rate, n_channels=1) as writer:
        for _ in range(round(seconds / 8)):
            noisy = tone + 0.05 * random.standard_normal(len(time_))
            writer.write(noisy.astype(np.float32)[None])


def cpu_seconds(pid: int) -> float:
    """What a process and its children have used so far."""
    import psutil

    top = psutil.Process(pid)
    return sum(sum(process.cpu_times()[:2]) for process in [top, *top.children(recursive=True)])


def resident(pid: int) -> float:
    """Its memory in MB."""
    import psutil

    return float(psutil.Process(pid).memory_info().rss / 1e6)


def sound(address: str, server: int, song: Path) -> dict[str, float]:
    """Drop a song on the page, then let it play for ten seconds."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        wait(page, "(await (await fetch('/about')).json()).models.every(({ speed }) => speed)")
        page.evaluate(WATCH)
        page.set_input_files("#file", song)
        first = float(page.evaluate("() => window.heard")) / 1000
        wait(page, "(await import('/page/main.js')).song().state === 'ready'")
        page.evaluate("import('/page/main.js').then(({ player }) => player.play())")
        browsing = browsers()
        before = cpu_seconds(server), sum(sum(p.cpu_times()[:2]) for p in browsing)
        page.wait_for_timeout(10_000)
        after = cpu_seconds(server), sum(sum(p.cpu_times()[:2]) for p in browsing)
        browser.close()
    return {
        "seconds from drop to sound": round(first, 2),
        "CPU of the server while playing, %": round(10 * (after[0] - before[0]), 1),
        "CPU of the browser while playing, %": round(10 * (after[1] - before[1]), 1),
    }


def browsers() -> list:
    """The processes of the browser."""
    import psutil

    below = psutil.Process(os.getpid()).children(recursive=True)
    return [p for p in below if any("chrom" in word for word in p.cmdline()[:1])]


def page_memory(address: str) -> dict[str, float]:
    """Play a song that is separated at twenty places, each twice, and show all of it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        wait(page, "Boolean((await import('/page/main.js')).player.song)")
        session = page.context.new_cdp_session(page)
        session.send("HeapProfiler.enable")

        def used() -> tuple[float, float]:
            session.send("HeapProfiler.collectGarbage")
            heap = session.send("Runtime.getHeapUsage")
            told = heap["usedSize"] + heap.get("backingStorageSize", 0)
            return told / 1e6, sum(p.memory_full_info().pss for p in browsers()) / 1e6

        def play_at(share: float) -> None:
            page.evaluate(
                "(share) => import('/page/main.js').then(({ player }) => "
                "(player.seek(share * player.song.seconds), player.play()))",
                share,
            )
            page.wait_for_timeout(1500)

        play_at(0.0)
        first = used()
        most = first
        page.click("#zoom-all")
        for turn in range(40):
            play_at(0.99 * ((7 * turn) % 20) / 20)
            most = max(most[0], used()[0]), max(most[1], used()[1])
        browser.close()
    return {
        "page's scripts, MB at first": round(first[0], 1),
        "page's scripts, MB at most": round(most[0], 1),
        "browser, MB at first": round(first[1]),
        "browser, MB at most": round(most[1]),
    }


def wait(page: object, condition: str) -> None:
    """Until something holds on the page."""
    while not page.evaluate(f"async () => {condition}"):  # type: ignore[attr-defined]
        page.wait_for_timeout(200)  # type: ignore[attr-defined]


def memory(address: str, server: int, song: Path) -> dict[str, float]:
    """Wait for a song of the command line; memory after a tenth and the most from then on."""
    base, _, token = address.partition("/?token=")
    headers = {"Authorization": f"Bearer {token}"}
    told = json.load(urlopen(Request(f"{base}/songs", headers=headers)))[0]
    early, most = 0.0, 0.0
    began = time.perf_counter()
    while told["state"] not in ("ready", "failed"):
        time.sleep(0.5)
        told = json.load(urlopen(Request(f"{base}/songs/{told['id']}", headers=headers)))
        if told["n_ready"] > told["n_samples"] / 10:
            early = early or resident(server)
            most = max(most, resident(server))
    got = {
        "MB after a tenth": round(early),
        "MB at most": round(most),
        "real-time factor": told["real_time_factor"],
        "seconds": round(time.perf_counter() - began),
    }
    if shutil.which("chromium"):
        got |= page_memory(address) | {"MB after the page": round(resident(server))}
    return got


def main(what: str, seconds: float, model: str) -> None:
    """Measure, and print."""
    run: Callable[[str, int, Path], dict[str, float]] = {"sound": sound, "memory": memory}[what]
    with tempfile.TemporaryDirectory() as folder:
        song = Path(folder) / ("song.mp3" if what == "sound" else "song.wav")
        (write_song if what == "sound" else write_tones)(song, seconds)
        command = [] if what == "sound" else [str(song)]  # songs of the command line are all pages'
        server = subprocess.Popen(
            [sys.executable, "-m", "isolde", "studio", "--no-browser", "--model", model, *command],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        try:
            got = run(server.stdout.readline().strip(), server.pid, song)
        finally:
            server.terminate()
            server.wait()
    print(json.dumps({"what": what, "song, s": seconds, "model": model, **got}))


if __name__ == "__main__":
    kind, seconds, model = [*sys.argv[1:], *["sound", "", "vocals"][len(sys.argv) - 1 :]]
    main(kind, float(seconds or {"sound": 240, "memory": 3600}[kind]), model)
