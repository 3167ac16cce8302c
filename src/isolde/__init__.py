"""isolde isolates the voice, and every other stem, from stereo music."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isolde.separation.load import load_separator, separate
    from isolde.separation.separator import Separator

__version__ = "0.1.0"
__all__ = ["Separator", "__version__", "load_separator", "separate"]


def __getattr__(name: str) -> Any:
    """Load the separator when it is first asked for, so that `import isolde` is instant."""
    if name in __all__:
        from isolde.separation import load as loading

        return getattr(loading, name)
    raise AttributeError(f"module 'isolde' has no attribute '{name}'")
