"""The device and libraries that compute a run. In another environment the last bits of losses
differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.text.sanitize import single_line


@dataclass(frozen=True)
class ComputeEnvironment:
    device: str
    """"CPU", or the GPU's name."""
    blas: str
    """On the CPU: which BLAS, its version and the kernels it chose."""
    mlx: str
    """MLX's version."""
    arithmetic: int = 1
    """The version of Nestling's own arithmetic, raised when the last bits of a run change."""

    def __str__(self) -> str:
        blas = f" with {self.blas}" if self.blas else ""
        return f"{self.device}{blas}, MLX {self.mlx} and Nestling's arithmetic {self.arithmetic}"


def read_environment(value: object) -> ComputeEnvironment | None:
    """Reads one from a file's value; None if it is invalid."""
    if not isinstance(value, Mapping):
        return None
    texts: list[Any] = [value.get(name) for name in ("device", "blas", "mlx")]
    arithmetic = value.get("arithmetic", 1)
    if not all(isinstance(word, str) for word in texts) or type(arithmetic) is not int:
        return None
    device, blas, mlx = texts
    return ComputeEnvironment(single_line(device), single_line(blas), single_line(mlx), arithmetic)


def read_environments(manifest: Mapping[str, Any]) -> list[tuple[int, ComputeEnvironment]]:
    """The environments of a run, each with the step after which it was used; empty if unknown."""
    entries = manifest.get("computed_by")
    environments = []
    for entry in entries if isinstance(entries, list) else []:
        environment = read_environment(entry)
        if environment is not None and type(entry.get("after_step")) is int:
            environments.append((entry["after_step"], environment))
    return environments
