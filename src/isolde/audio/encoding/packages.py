"""The encoder of another package's format: what it raises becomes one line."""

import contextlib
from collections.abc import Iterator
from typing import BinaryIO

from isolde.audio.encoding.base import Encoder, Sound
from isolde.audio.formats import Container
from isolde.core.errors import AudioError
from isolde.core.stage import Float32


class PackageEncoder:
    """Wraps the encoder of another package, which may raise anything."""

    def __init__(self, stream: BinaryIO, kind: Container, sound: Sound) -> None:
        """Start the encoder of the format.

        Args:
            stream: What it writes to; it can seek.
            kind: A format with an encoder.
            sound: What is to be written.

        Raises:
            AudioError: The encoder fails.
        """
        self._name = kind.name
        with self._faults():
            assert kind.encoder is not None
            self._encoder: Encoder = kind.encoder(stream, sound)

    def write(self, block: Float32) -> None:
        """Encode a block; the encoder gets a copy, which it may change.

        Raises:
            AudioError: The encoder fails.
        """
        with self._faults():
            self._encoder.write(block.copy())

    def finish(self) -> None:
        """Let the encoder write the rest.

        Raises:
            AudioError: The encoder fails.
        """
        with self._faults():
            self._encoder.finish()

    def discard(self) -> None:
        """Discard the encoder."""
        with contextlib.suppress(Exception):  # whatever it is, the result is thrown away
            self._encoder.discard()

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Turn what another package raises into an AudioError; errors of the disk pass."""
        try:
            yield
        except OSError:
            raise
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise AudioError(
                f"the format '{self._name}', of another package, cannot be written ({said}): "
                "update that package, or choose wav or flac"
            ) from error
