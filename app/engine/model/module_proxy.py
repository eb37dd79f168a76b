"""A proxy for one module of a model: its call is replaced, all else is the module's own."""

from inspect import signature
from typing import Any

from app.engine.runtime.type_aliases import ArrayFunction


class ModuleProxy:
    """Stands for `module` where a model calls it: `call(module, …)` is called instead.

    `call` gets arguments by position, also those that the model passes by name, if the module's own
    call takes it so.

    `isinstance` and attributes are the module's own, since a model's code may choose its mask by
    them. A walk over the model's modules finds no parameters here.
    """

    def __init__(self, module: Any, call: ArrayFunction) -> None:
        self._module = module
        self._call = call

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self._module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not args:
            bound = signature(type(self._module).__call__).bind(self._module, **kwargs)
            (_, *args), kwargs = bound.args, bound.kwargs  # type: ignore[assignment]
        return self._call(self._module, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def __getitem__(self, name: str) -> Any:
        return self._module[name]

    def __contains__(self, name: str) -> bool:
        return name in self._module

    def items(self) -> tuple[()]:
        """Empty for the walks of `nn.Module`."""
        return ()

    def children(self) -> dict[str, Any]:
        return {}
