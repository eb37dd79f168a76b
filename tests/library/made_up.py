"""Made-up events of a run, without MLX, which the tests' conftest loads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.core.events import RunStarted, StepFinished, TierFacts
from app.library.run.event_lines import sealed_line
from app.library.run.manifest import json_digest
from app.library.run.metrics import read_events


def run_started(
    run_dir: Path, steps: int = 8, periods: tuple[int, ...] = (1, 2), layers: int = 4
) -> RunStarted:
    facts = tuple(TierFacts(period, 1.0, 10, (0,), "layers") for period in periods)
    return RunStarted(
        run_dir, run_dir.name, "model", steps, 1000, 20, facts, tuple(range(layers)), 36, 4, 9,
        "cpu",
    )  # fmt: skip


def made_up_step(number: int, periods: tuple[int, ...] = (1, 2), layers: int = 4) -> StepFinished:
    fired = tuple(tier for tier, period in enumerate(periods) if number % period == 0)
    return StepFinished(
        step=number, loss=1 + 2 / number, learning_rate=1e-3, trained_tokens=9 * number,
        tokens_per_second=8.0, peak_memory_bytes=7, fired=fired,
        deltas=tuple(0.5 / number if t in fired else 0.0 for t in range(len(periods))),
        pending=tuple(number % period for period in periods),
        drifts=tuple(0.1 * number for _ in periods), layer_deltas=(0.5 / number,) * layers,
        gradient_norm=2.0, void=False,
    )  # fmt: skip


def rewrite_events(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """As if other events had happened."""
    events = read_events(run)
    for event in events:
        change(event)
    lines = [sealed_line(event, number) for number, event in enumerate(events, 1)]
    (run / "events.jsonl").write_text("".join(lines))


def set_losses(run: Path, losses: dict[int, Any]) -> None:
    """As if the validations after these steps had given other losses."""

    def change(event: dict[str, Any]) -> None:
        if event["event"] == "evaluation_finished":
            event["val_loss"] = losses.get(event["step"], event["val_loss"])

    rewrite_events(run, change)


def write_state(folder: Path, step: int, **more: Any) -> None:
    """A checkpoint's state file, whole, that says which step it is of."""
    state = {"format": 2, "sha256": {}, "progress": {"step": step, **more}}
    text = json.dumps(state | {"own_sha256": json_digest(state)})
    (folder / "state.json").write_text(text)
