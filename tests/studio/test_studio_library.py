"""Wishes: what is coming for a song stays behind it, takes its place, or goes with it."""

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile

from helpers.sounds import noise
from isolde.core.errors import InputError
from isolde.separation import SeparationSettings
from isolde.studio import engine
from isolde.studio import library as library_module
from isolde.studio.description import describe, format_speed, format_time
from isolde.studio.library import Library
from isolde.studio.song import READY, NoSuchSongError, Song, display_name
from isolde.studio.web.events import stream_events

ME, OTHER = "me", "other"
OWN = SeparationSettings("vocals")
LOUDER, LOUDEST = (
    SeparationSettings("vocals", strength=1.5),
    SeparationSettings("vocals", strength=2),
)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """A library that separates nothing, and leaves nothing."""

    def stand(song: Song) -> Iterator[None]:
        while True:
            time.sleep(0.002)
            yield

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(engine, "prepare", lambda settings: None)
    monkeypatch.setattr(engine, "separate_in_steps", stand)
    made = Library(OWN)
    yield made
    made.close()
    assert list(tmp_path.glob("isolde-*")) == []


def add(library: Library, name: str, session: str = ME) -> Song:
    path = library.upload_path(f"{name}.wav")
    soundfile.write(path, noise(1, 800, peak=0.1).T, 8000)
    return library.add(path, name=path.name, session=session, settings=OWN)


def wish(library: Library, song: Song, settings: SeparationSettings, session: str = ME) -> Song:
    return library.add_again(song, session=session, settings=settings)


def test_what_is_coming_stands_where_the_song_does(library: Library):
    one, two = add(library, "one"), add(library, "two")
    coming = wish(library, one, LOUDER)
    assert library.songs(ME) == [one, coming, two]
    assert [describe(song)["replaces"] for song in library.songs(ME)] == [None, one.id, None]
    library.take(one, session=ME)
    assert library.songs(ME) == [coming, two]
    assert (coming.replaces, coming.settings) == (None, LOUDER)
    with pytest.raises(NoSuchSongError):
        library.song(ME, one.id)


def test_of_wishes_for_a_song_the_last_one_stands(library: Library):
    song = add(library, "song")
    first = wish(library, song, LOUDER)
    last = wish(library, song, LOUDEST)
    assert library.songs(ME) == [song, last]
    assert not first.folder.exists()


def test_a_songs_own_settings_take_a_wish_back(library: Library):
    song = add(library, "song")
    wish(library, song, LOUDER)
    assert wish(library, song, OWN) is song
    assert library.songs(ME) == [song]
    assert song.source.exists()


def test_a_refused_wish_takes_the_one_before_with_it(library: Library):
    song = add(library, "song")
    wish(library, song, LOUDER)
    song.source.write_bytes(b"no sound")
    with pytest.raises(InputError):
        wish(library, song, LOUDEST)
    assert library.songs(ME) == [song]


def test_a_song_takes_what_is_coming_for_it_with_it(library: Library):
    song = add(library, "song")
    coming = wish(library, song, LOUDER)
    behind = wish(library, coming, LOUDEST)
    library.remove(song)
    assert library.songs(ME) == []
    assert not any(gone.folder.exists() for gone in (song, coming, behind))


def test_nothing_is_wished_for_a_song_that_went(library: Library):
    song = add(library, "song")
    source = song.folder.with_suffix(".kept")
    song.folder.rename(source)
    song.source = source / song.source.name
    library.remove(song)
    with pytest.raises(NoSuchSongError):
        wish(library, song, LOUDER)
    assert [path.name for path in library.folder.iterdir() if path.is_dir()] == [source.name]


def test_a_wish_for_a_song_whose_file_went_leaves_nothing(library: Library):
    song = add(library, "song")
    library.remove(song)
    with pytest.raises(NoSuchSongError):
        wish(library, song, LOUDER)
    assert [path for path in library.folder.iterdir() if path.is_dir()] == []


def test_stems_are_kept_whole_or_not_at_all(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    song, kept = add(library, "song"), []
    library._keep = tmp_path
    monkeypatch.setattr(library_module, "keep_stems", lambda *_: kept.append(song.lock.locked()))
    library._keep_stems(song)
    assert kept == [True], "who removes the song waits"
    library.remove(song)
    library._keep_stems(song)
    assert kept == [True]


def test_a_song_needs_room_beside_those_that_are_not_separated_yet(
    library: Library, monkeypatch: pytest.MonkeyPatch
):
    """One of these songs takes 800 samples of 4 bytes for each of two stems: 6400 bytes."""
    free = SimpleNamespace(free=library_module.SPARE_BYTES + 10_000)
    monkeypatch.setattr(library_module.shutil, "disk_usage", lambda folder: free)
    first = add(library, "one")
    with pytest.raises(InputError, match=r"the song needs 0 MB on the disk of .* left for it"):
        add(library, "two")
    assert library.songs(ME) == [first]
    first.state = READY
    add(library, "three")
    free.free = library_module.SPARE_BYTES - 1
    with pytest.raises(InputError, match="where 0 MB are left for it"):
        library.check_room(0)  # nobody knows how long the song is


def test_songs_are_separated_though_nothing_could_be_prepared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def fail(settings: SeparationSettings) -> None:
        raise RuntimeError("no memory")

    done: list[Song] = []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(engine, "prepare", fail)
    monkeypatch.setattr(engine, "separate_in_steps", lambda song: iter(()))
    monkeypatch.setattr(Library, "_keep_stems", lambda self, song: done.append(song))
    library = Library(OWN)
    song = add(library, "song")
    until = time.monotonic() + 10
    while not done and time.monotonic() < until:
        time.sleep(0.01)
    library.close()
    assert done == [song]


def test_where_nothing_is_coming_nothing_takes_a_songs_place(library: Library):
    shared = add(library, "song", "")
    mine, theirs = wish(library, shared, LOUDER), wish(library, shared, LOUDEST, OTHER)
    assert library.songs(ME) == [shared, mine]
    assert wish(library, shared, OWN) is shared
    library.take(shared, session=ME)
    assert library.songs(OTHER) == [shared, theirs]
    library.take(shared, session=OTHER)
    assert library.songs(OTHER) == [theirs]
    assert library.songs(ME) == []


class Models:
    """Models whose speed nobody measures."""

    n_measured = 0

    def list_models(self) -> list[dict[str, Any]]:
        return []


def texts_of(library: Library, *acts: Any) -> list[str]:
    """What is sent at first and after each act."""
    ends = [*acts, lambda: None]

    async def listen() -> list[str]:
        texts = []
        async for text in stream_events(library, Models(), ME, stopping=lambda: not ends):  # type: ignore[arg-type]
            texts.append(text)
        return texts

    real = asyncio.sleep

    async def act(seconds: float) -> None:
        ends.pop(0)()
        await real(0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("isolde.studio.web.events.asyncio.sleep", act)
        return asyncio.run(listen())


def told(library: Library, *acts: Any) -> list[tuple[str, Any, Any]]:
    """Kind and id of the news after each act, and what it replaces or what has its place."""
    pieces = "".join(texts_of(library, *acts)).split("\n\n")
    events = [text.removeprefix("event: ").split("\ndata: ") for text in pieces if "event" in text]
    values = [(kind, json.loads(data)) for kind, data in events if kind != "models"]
    return [(kind, v["id"], v.get("replaces") or v.get("next")) for kind, v in values]


def test_the_news_say_what_has_the_place_of_a_song_that_went(library: Library):
    song = add(library, "song")
    coming = wish(library, song, LOUDER)
    heard = told(library, lambda: library.take(song, session=ME))
    assert heard == [
        ("song", song.id, None),
        ("song", coming.id, song.id),
        ("gone", song.id, coming.id),
        ("song", coming.id, None),
    ]


def test_who_did_not_hear_of_what_was_coming_hears_of_it_first(library: Library):
    song = add(library, "song")
    made: list[Song] = []

    def choose() -> None:
        made.append(wish(library, song, LOUDER))
        library.take(song, session=ME)
        made.append(wish(library, made[0], LOUDEST))
        library.take(made[0], session=ME)

    heard = told(library, choose)
    last = made[1].id
    assert heard == [("song", song.id, None), ("song", last, None), ("gone", song.id, last)]


def test_what_goes_with_a_song_goes_before_it(library: Library):
    song = add(library, "song")
    coming = wish(library, song, LOUDER)
    heard = told(library, lambda: library.remove(song))
    assert heard[2:] == [("gone", coming.id, None), ("gone", song.id, None)]


def test_what_is_new_at_one_time_is_one_text(library: Library):
    for name in ("one", "two", "three"):
        add(library, name)
    first, second, third = texts_of(library, lambda: add(library, "four"))
    assert first.startswith("retry: ")
    assert (second.count("event: song"), third.count("event: song")) == (3, 1)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\U0001f469\u200d\U0001f3a4 live.wav", "\U0001f469\u200d\U0001f3a4 live.wav"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0646\u0645.mp3",) * 2,
        ("caf\udce9.wav", "caf\ufffd.wav"),
        ("a\u202eb\nc\x00.wav", "abc.wav"),
        ("\u200d", "song"),
    ],
)
def test_names_are_shown_as_they_are_written(name: str, shown: str):
    assert display_name(name) == shown


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [(0, 0, "0:00"), (59.96, 1, "0:59.9"), (61.5, 0, "1:01"), (3725, 1, "1:02:05.0")],
)
def test_a_clock_is_cut_and_not_rounded(seconds: float, digits: int, text: str):
    assert format_time(seconds, digits) == text


def test_a_song_is_told_in_words(library: Library):
    values = describe(add(library, "song"))
    assert values["facts"] == "8 kHz · mono · 0:00.1"
    assert (values["progress"], values["status"]) == ("0:00 · waiting", "waiting for its turn")
    assert [row["text"] for row in values["downloads"]] == [
        "Both stems",
        "This mix",
        "Vocals",
        "Karaoke",
    ]
    assert [format_speed(factor) for factor in (1.25, 30.6)] == [
        "1.2 \u00d7 real time",
        "31 \u00d7 real time",
    ]
