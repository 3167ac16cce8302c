"""Tests of training compute on one thread: what they train is too small to be worth more."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Threads that wait for one another cost a busy machine minutes."""
    torch = pytest.importorskip("torch", reason="needs the extra 'train'")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
