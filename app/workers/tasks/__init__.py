"""Short tasks for the background thread: plain functions, imported there when they are called.

What they need (numpy, the library, the readers) takes a third of a second to import, for which the
window does not wait.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any


class _LazyModule:
    """Has the functions of a module, each of which imports it when it is called."""

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
