"""Short tasks for the background thread: plain functions, imported there when they are called.

Their imports (numpy, the library, the readers) take a third of a second, which the window does not
wait for.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any


class _LazyModule:
    """Stands for a module; calling one of its functions imports the module first."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, function: str) -> Callable[..., Any]:
        return partial(_call, self._name, function)


def _call(module: str, function: str, *args: Any, **options: Any) -> Any:
    return getattr(import_module(module), function)(*args, **options)


if TYPE_CHECKING:
    from app.workers.tasks import library, models, trash
else:
    library = _LazyModule("app.workers.tasks.library")
    models = _LazyModule("app.workers.tasks.models")
    trash = _LazyModule("app.workers.tasks.trash")
