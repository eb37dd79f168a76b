"""The architectures of mlx-lm that this copy of the app has."""

import importlib
import pkgutil

from app.engine.runtime.captured_output import output_captured
from app.engine.runtime.mlx_runtime import import_mlx_lm


def import_architectures() -> tuple[str, ...]:
    """The names of all, each imported as a config.json with its name asks for it.

    Left out is one that ends the program because it wants a package that mlx-lm does not bring.
    """
    import_mlx_lm()
    package = importlib.import_module("mlx_lm.models")
    return tuple(
        sorted(name for _, name, _ in pkgutil.iter_modules(package.__path__) if _can_import(name))
    )


def _can_import(name: str) -> bool:
    try:
        with output_captured():
            importlib.import_module(f"mlx_lm.models.{name}")
    except SystemExit:
        return False
    return True
