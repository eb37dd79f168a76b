"""Metrics on disk: exact, small, and whole up to what was torn off or damaged."""

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import AppError
from app.core.events import RunStarted, StepFinished, TierFacts
from app.library.run.metrics import HEADER_BYTES, MetricsWriter, read_events, read_steps
from app.library.run.step_table import encode, record_type

MakeRun = Callable[..., Path]


def made_up(number: int, layers: int = 3) -> StepFinished:
    return StepFinished(
        step=number, loss=1.5, learning_rate=1e-3, trained_tokens=2**40 + number,
        tokens_per_second=8.0, peak_memory_bytes=2**41 + 1, fired=(0, 2), deltas=(0.5, 0.0, 1e-9),
        pending=(0, 1, 0), drifts=(0.5, 0.25, 0.125), layer_deltas=(0.5,) * layers,
        gradient_norm=2.0, void=False,
    )  # fmt: skip


def began(layers: int = 3) -> RunStarted:
    facts = tuple(TierFacts(period, 1.0, 10, (0,), "layers") for period in (1, 2, 1))
    return RunStarted(
        Path("run"), "run", "model", 9, 10, 9, facts, tuple(range(layers)), 8, 1, 2, "cpu"
    )


def test_a_step_is_read_back_as_it_was_measured(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path)
    writer.append(began())
    writer.append(replace(made_up(1), loss=math.nan, void=True))
    writer.append(made_up(2))
    writer.close()
    table = read_steps(tmp_path)
    assert math.isnan(table.rows["loss"][0])
    assert list(table.rows["void"]) == [1, 0]
    assert list(table.rows["trained_tokens"]) == [2**40 + 1, 2**40 + 2]
    assert table.rows["peak_memory_bytes"][0] == 2**41 + 1
    assert [list(table.fired(tier)) for tier in range(3)] == [[True] * 2, [False] * 2, [True] * 2]
    assert tuple(table.rows["deltas"][1]) == (0.5, 0, np.float32(1e-9))


@pytest.mark.parametrize("value", [0.0, 3e-8, 1.2345e-5, 0.07, 1.0, 88.0, math.nan, math.inf])
def test_a_layers_change_is_kept_to_within_five_percent(value: float) -> None:
    kind = record_type(3, 1)
    row = encode(kind, replace(made_up(1, 1), layer_deltas=(value,)), 0)
    from app.library.run.step_table import decode

    read = float(decode(row, kind).layer_deltas()[0, 0])
    assert read == pytest.approx(value, rel=0.05) if math.isfinite(value) else math.isnan(read)


def test_a_step_of_the_largest_plan_takes_less_than_200_bytes() -> None:
    assert record_type(8, 64).itemsize <= 200


def test_a_torn_last_record_is_left_out_and_the_rest_is_read(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path / "r", steps=5)
    size = record_type(2, 4).itemsize
    for torn in (1, size - 1, size, size + 1, 4 * size + 7):
        content = (run / "metrics.bin").read_bytes()
        (tmp_path / "torn").mkdir(exist_ok=True)
        (tmp_path / "torn" / "metrics.bin").write_bytes(content[: len(content) - torn])
        whole = 5 - -(-torn // size)
        assert list(read_steps(tmp_path / "torn").steps) == list(range(1, whole + 1))


def test_a_torn_or_damaged_line_is_left_out(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", saves=(4, 8))
    lines = (run / "events.jsonl").read_bytes().split(b"\n")
    lines[1] = b'{"event": \xff\xfe'
    (run / "events.jsonl").write_bytes(b"\n".join(lines)[:-10])
    read = [(event["event"], event.get("step")) for event in read_events(run)]
    assert read == [("run_started", None), ("checkpoint_saved", 4), ("evaluation_finished", 8)]


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_byte_costs_its_own_step_and_no_other(
    make_run: MakeRun, tmp_path: Path, seed: int
) -> None:
    run = make_run(tmp_path / "r", steps=30)
    path, luck = run / "metrics.bin", random.Random(seed)
    content = bytearray(path.read_bytes())
    at = luck.randrange(len(content))
    content[at] ^= 1 << luck.randrange(8)
    path.write_bytes(content)
    hit = (at - HEADER_BYTES) // record_type(2, 4).itemsize + 1 if at >= HEADER_BYTES else None
    assert list(read_steps(run).steps) == [step for step in range(1, 31) if step != hit]


def test_a_file_without_a_header_is_read_with_the_events(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    content = (run / "metrics.bin").read_bytes()
    (run / "metrics.bin").write_bytes(b"\0" * HEADER_BYTES + content[HEADER_BYTES:])
    assert len(read_steps(run)) == 8
    (run / "events.jsonl").unlink()
    assert len(read_steps(run)) == 0


def test_the_header_names_every_column(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    content = (run / "metrics.bin").read_bytes()
    header = json.loads(content[:HEADER_BYTES])
    kind = np.dtype(
        [tuple(c[:2]) if len(c) == 2 else (*c[:2], tuple(c[2])) for c in header["columns"]]
    )
    assert kind == record_type(2, 4)
    assert len(content) == header["header_bytes"] + 8 * header["record_bytes"]


def test_steps_after_the_checkpoint_are_dropped_when_the_run_resumes(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path)
    writer.append(began())
    for number in (1, 2):
        writer.append(made_up(number))
    kept = writer.sync()
    writer.append(made_up(3))
    writer.close()
    again = MetricsWriter(tmp_path, kept)
    again.append(began())
    assert list(read_steps(tmp_path).steps) == [1, 2]
    again.append(made_up(3))
    again.close()
    assert list(read_steps(tmp_path).steps) == [1, 2, 3]
    assert [event["event"] for event in read_events(tmp_path)] == ["run_started"]
    seconds = read_steps(tmp_path).rows["seconds"]
    assert list(seconds) == sorted(seconds)


def test_a_run_with_deleted_metrics_resumes_and_later_steps_are_read(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path)
    writer.append(began())
    for number in (1, 2):
        writer.append(made_up(number))
    kept = writer.sync()
    writer.close()
    (tmp_path / "metrics.bin").unlink()
    (tmp_path / "events.jsonl").unlink()
    again = MetricsWriter(tmp_path, kept)
    again.append(began())
    again.append(made_up(3))
    again.close()
    assert list(read_steps(tmp_path).steps) == [3]


def test_metrics_that_can_not_be_written_are_one_plain_sentence(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path / "gone")
    with pytest.raises(AppError, match="could not be written"):
        writer.append(began())
    writer.close()
