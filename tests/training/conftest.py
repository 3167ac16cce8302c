"""Tests of training compute on one thread: what they train is too small to be worth more."""

import numpy as np
import pytest

import demo_song as songs
from isolde.core.signal.spectrum import GRID_22
from isolde.datasets.mixing.library import Entry


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Threads that wait for one another cost a busy machine minutes."""
    torch = pytest.importorskip("torch", reason="needs the extra 'train'")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def all_statistics() -> None:
    """For tests beside other processes, which take all examples for mean and deviation."""


@pytest.fixture(autouse=True)
def few_statistics(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean and deviation of the bins from an eighth of the examples: most of a short run's time."""
    if "all_statistics" not in request.fixturenames:
        monkeypatch.setattr("isolde.training.tasks.windows.STATISTICS_EXAMPLES", 32)


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    """Two songs with all their stems."""
    found = []
    for seed in (1, 2):
        stems = songs.make_song(seed, seconds=3.0, sample_rate=22050)
        pcm = {k: np.round(np.clip(a, -1, 1) * 32767).astype(np.int16) for k, a in stems.items()}
        backing = (pcm["drums"] // 3 + pcm["bass"] // 3 + pcm["other"] // 3).astype(np.int16)
        activity = np.ones(GRID_22.n_frames(backing.shape[1]), np.bool_)
        vocals = pcm.pop("vocals")
        found.append(Entry(f"song {seed}", "", 11025.0, vocals, backing, activity, **pcm))
    return found
