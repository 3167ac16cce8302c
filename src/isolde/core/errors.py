"""Every error that isolde raises on purpose; nothing here prints or exits.

A message is one line: what went wrong, the value, and what to do about it.
"""


class IsoldeError(Exception):
    """The root of all errors raised on purpose by isolde."""


class AudioError(IsoldeError, OSError):
    """A file, stream or device cannot be read or written."""


class InputError(IsoldeError, ValueError):
    """An argument has a value that cannot be used."""


class ModelError(IsoldeError, ValueError):
    """A model's graph, card or weights are missing, damaged or of another kind."""


class AbortedError(IsoldeError):
    """The caller ended the work before it was done."""


class IsoldeWarning(UserWarning):
    """Something about a source or a result that its user should know."""


class MissingExtraError(IsoldeError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        """Say which package is missing, what needs it and how to install it.

        Args:
            package: The name of the package that could not be imported.
            extra: The extra of isolde that brings it.
            purpose: What cannot be done without it, as a noun ("figures", "training").
        """
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed: "
            f"pip install 'isolde[{extra}]'"
        )
