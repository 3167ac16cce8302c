"""isolde isolates the voice, and every other stem, from stereo music."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isolde.core.errors import AbortedError, IsoldeError, IsoldeWarning
    from isolde.models import list_models
    from isolde.separation.load import load_separator, separate
    from isolde.separation.stages.separator import Separator
    from isolde.separation.stems import Stems

# ONNX Runtime tells its maker of every run, since 1.29, unless this is there when it is imported
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
__all__ = [
    "AbortedError",
    "IsoldeError",
    "IsoldeWarning",
    "Separator",
    "Stems",
    "__version__",
    "list_models",
    "load_separator",
    "separate",
]

_HOMES = {
    "AbortedError": "isolde.core.errors",
    "IsoldeError": "isolde.core.errors",
    "IsoldeWarning": "isolde.core.errors",
    "Separator": "isolde.separation.stages.separator",
    "Stems": "isolde.separation.stems",
    "list_models": "isolde.models",
    "load_separator": "isolde.separation.load",
    "separate": "isolde.separation.load",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is first asked for, so that `import isolde` is instant."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "models":
        return import_module("isolde.models")
    raise AttributeError(f"module 'isolde' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List what is public also before it is loaded."""
    return sorted({*globals(), *__all__})
