"""Separators in other processes and threads: pickled by what they were made from, or refused."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from threading import Event

import numpy as np
import pytest

import isolde
from helpers.maskers import Shelf
from helpers.sounds import noise
from isolde.core.errors import InputError
from isolde.core.stage import Complex64, Float32
from isolde.separation.stages.separator import Separator

RATE = 22050


def voice(separator: Separator, mixture: Float32) -> Float32:
    """The vocals of a song, as a job of a worker."""
    return separator.whole([mixture])["vocals"]


@pytest.mark.slow
def test_a_separator_goes_to_the_processes_of_a_pool():
    separator = isolde.load_separator("vocals", sample_rate=RATE, n_channels=2, strength=2.0)
    songs = [noise(2, 4000), noise(2, 3000)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(voice, [separator] * 2, songs))
    for song, vocals in zip(songs, found, strict=True):
        separator.reset()
        assert np.array_equal(vocals, voice(separator, song))


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_a_copy_has_a_stream_of_its_own(again):
    separator = isolde.load_separator("vocals", sample_rate=RATE, n_channels=1, live=True)
    other = again(separator)
    assert repr(other) == repr(separator)
    separator.feed(noise(1, 3000))
    vocals = voice(other, noise(1, 500))
    separator.reset()
    assert np.array_equal(vocals, voice(separator, noise(1, 500)))


def test_one_that_has_heard_samples_is_refused_until_it_is_reset():
    separator = isolde.load_separator("vocals", sample_rate=RATE, n_channels=1)
    for hear in (lambda: separator.feed(noise(1, 100)), separator.flush):
        hear()
        with pytest.raises(InputError, match="reset it first, or load one in each process"):
            pickle.dumps(separator)
    separator.reset()
    assert pickle.loads(pickle.dumps(separator)).stems == separator.stems


def test_one_made_of_stages_is_refused():
    separator = Separator.with_masks(Shelf(), sample_rate=RATE, n_channels=1)
    with pytest.raises(InputError, match="make one in each process, or use load_separator"):
        pickle.dumps(separator)


def test_a_stream_is_fed_by_one_thread_at_a_time():
    inside, go = Event(), Event()

    class Slow(Shelf):
        def feed(self, spectra: Complex64) -> Float32:
            inside.set()
            assert go.wait(30)
            return super().feed(spectra)

    separator = Separator.with_masks(Slow(), sample_rate=RATE, n_channels=1)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(separator.whole, [noise(1, 3000)])
        assert inside.wait(30)
        for call in (separator.flush, lambda: separator.feed(noise(1, 10))):
            with pytest.raises(InputError, match="another thread feeds this separator: load one"):
                call()
        go.set()
        assert first.result()["vocals"].shape == (1, 3000)


def test_threads_separate_side_by_side():
    songs = [noise(2, 3000 + k) for k in range(4)]

    def separate(song: Float32) -> Float32:
        return isolde.separate(song, sample_rate=RATE, model="vocals")["vocals"]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(separate, songs))
    assert all(np.array_equal(a, separate(s)) for a, s in zip(found, songs, strict=True))
