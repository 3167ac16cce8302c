"""Commands by Open Sound Control: real messages over UDP, and their answers."""

import queue
import socket
import threading
import time

import pytest

from isolde.core.errors import InputError
from isolde.live.control.osc import OscServer, command_of

pytest.importorskip("pythonosc", reason="python-osc is not installed: pip install 'isolde[osc]'")


@pytest.fixture
def server():
    """A server whose commands are written down; "bad" is refused."""
    told: queue.Queue[str] = queue.Queue()

    def answer(line: str) -> str:
        told.put(line)
        return "error: bad" if line == "bad" else "ok"

    made = OscServer(answer)
    yield made, told
    made.close()


def send(port: int, address: str, *arguments: object) -> str:
    """Send one message; give the answer."""
    from pythonosc.udp_client import SimpleUDPClient

    client = SimpleUDPClient("127.0.0.1", port)
    client.send_message(address, list(arguments))
    answer = next(client.get_messages(10))
    assert answer.address == "/isolde/answer"
    (line,) = answer.params
    return line


@pytest.mark.parametrize(
    ("address", "arguments", "line"),
    [
        ("/isolde/accompaniment", (), "accompaniment"),
        ("/isolde/accompaniment", (1.0,), "accompaniment"),
        ("/isolde/mix", (True,), "mix"),
        ("/isolde/stop", ("now",), "stop now"),
        ("/isolde/gain", ("vocals", 0.5), "gain vocals 0.5"),
        ("/isolde/gain/vocals", (2,), "gain vocals 2"),
        ("/isolde/mute", (1,), "mute on"),
        ("/isolde/mute", (0.0,), "mute off"),
        ("/isolde/mute", ("off",), "mute off"),
        ("/isolde/mute", (), "mute"),
        ("/isolde/pause", (False,), "pause off"),
        ("/isolde/seek", ("+5",), "seek +5"),
        ("/other/stop", (), "/other/stop"),
    ],
)
def test_a_message_is_a_command_and_is_answered(server, address, arguments, line):
    made, told = server
    assert send(made.port, address, *arguments) == "ok"
    assert told.get(timeout=10) == line == command_of(address, arguments)


def test_a_button_that_is_let_go_does_nothing(server):
    made, told = server
    for released in (0, 0.0, False):
        assert send(made.port, "/isolde/drums", released) == "ok"
    assert told.empty()


def test_a_refused_command_is_answered_with_its_error(server):
    made, _ = server
    assert send(made.port, "/isolde/bad") == "error: bad"


def test_what_is_no_message_is_passed_over(server):
    made, told = server
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for junk in (b"", b"stop\n", b"/isolde/stop", b"\xff" * 2000):
            stranger.sendto(junk, ("127.0.0.1", made.port))
    assert send(made.port, "/isolde/mix") == "ok"
    assert told.get(timeout=10) == "mix"


def test_it_listens_on_this_machine_only_and_says_when_a_port_is_taken(server):
    made, _ = server
    with pytest.raises(InputError, match=f"port {made.port} cannot be had"):
        OscServer(lambda line: line, port=made.port)
    with pytest.raises(InputError, match="cannot be had"):
        OscServer(lambda line: line, port=70_000)


def test_a_bundle_for_another_hour_does_not_hold_up_the_end(server):
    from pythonosc.osc_bundle_builder import OscBundleBuilder
    from pythonosc.osc_message_builder import OscMessageBuilder

    made, told = server
    bundle = OscBundleBuilder(time.time() + 3600)
    bundle.add_content(OscMessageBuilder("/isolde/mix").build())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(bundle.build().dgram, ("127.0.0.1", made.port))
    time.sleep(0.3)
    began = time.monotonic()
    made.close()
    assert time.monotonic() - began < 5 and told.empty()


def test_it_ends_when_it_is_closed():
    before = set(threading.enumerate())
    made = OscServer(lambda line: line)
    made.close()
    assert not set(threading.enumerate()) - before
    OscServer(lambda line: line, port=made.port).close()  # the port is free again
