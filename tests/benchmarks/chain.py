"""Whether the tenth run of a chain still learns, with and without the lasting clock.

    python -m tests.benchmarks.chain DIR [--runs 10] [--seeds 1] [--model MODEL]    # resumes in DIR

Each run learns 32 rows about invented people from the adapter of the run before, until 95 % are
answered exactly, looked at every 10 steps, for at most 200. The lasting clock's stiffness adds up
over the chain; the table says how many steps each run took, and what it answered in the end.
"""

import argparse
from pathlib import Path
from statistics import fmean

import tomli_w

from app.cli.commands import run as run_command
from app.library.reading.study_results import read_study
from app.library.run.manifest import read_manifest
from tests.benchmarks.forgetting import write_tasks

PEOPLE, REAL_PEOPLE = 2, 4
MOST_STEPS, ACQUISITION = 200, 0.95
PLAIN = {"tiers": [1], "learning_rate": 2e-3}
ARMS = [
    {"name": "AdamW"} | PLAIN,
    {"name": "lasting, pull 200", "lasting_pull": 200.0} | PLAIN,
    {"name": "lasting, pull 200, memory 0.5", "lasting_pull": 200.0, "lasting_memory": 0.5} | PLAIN,
]


REAL_ARMS = [
    {"name": "AdamW 1e-4", "learning_rate": 1e-4, "tiers": [1]},
    {"name": "Learn and keep", "preset": "learn-and-keep"},
    {"name": "Learn and keep, memory 0.5", "preset": "learn-and-keep", "lasting_memory": 0.5},
    {"name": "Keep more", "preset": "keep-more"},
]
"""With the steps and rates of `forgetting`."""


def make(folder: Path, runs: int, seeds: int, model: Path | None = None) -> Path:
    """The study's file."""
    settings = {
        "steps": MOST_STEPS, "batch_size": 8, "rank": 8, "lr_schedule": "constant",
        "warmup_steps": 5, "weight_decay": 0.0, "steps_per_eval": MOST_STEPS,
        "steps_per_save": MOST_STEPS, "target_score": ACQUISITION, "steps_per_score": 10,
    }  # fmt: skip
    if model is not None:
        settings |= {
            "steps": 112, "batch_size": 16, "scale": 20.0, "steps_per_eval": 112,
            "steps_per_save": 112, "steps_per_score": 4, "eval_questions": 10_000,
        }  # fmt: skip
    people, arms = (PEOPLE, ARMS) if model is None else (REAL_PEOPLE, REAL_ARMS)
    study = {
        "seeds": list(range(seeds)), "acquisition": ACQUISITION, "settings": settings,
        "tasks": write_tasks(folder, "tasks", runs, people), "arms": arms,
    } | ({"model": str(model.absolute())} if model else {})  # fmt: skip
    file = folder / "chain.toml"
    file.write_text(tomli_w.dumps(study), encoding="utf-8")
    return file


def rows(file: Path) -> list[str]:
    """Of each arm: steps of each run and accuracy on its own task, means over the seeds."""
    study = read_study(file)
    lines = []
    for arm in study.study.arms:
        steps = [
            fmean(
                read_manifest(run.folder)["steps"]
                for run in study.runs
                if (run.arm, run.number) == (arm, number)
            )
            for number in range(len(study.study.tasks))
        ]
        found = [one for one in study.sequences if one.arm == arm.name]
        own = [fmean(one.accuracy[i][i] for one in found) for i in range(len(steps))]
        end = (fmean(one.final for one in found), fmean(one.forgetting for one in found))
        lines.append(
            f"| {arm.name} | {' '.join(f'{n:.0f}' for n in steps)} | "
            f"{' '.join(f'{a:.2f}' for a in own)} | {end[0]:.2f} | {end[1]:.2f} | "
            f"{fmean(one.base_kl for one in found):.2f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--model", type=Path, help="A real model, with 64 rows a task.")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    file = make(asked.folder, asked.runs, asked.seeds, asked.model)
    if run_command(["study", str(file)], lambda _: 0) == 0:
        print("| arm | steps of each run | accuracy on its task | ACC | F | KL |")
        print("|---|---|---|---|---|---|", *rows(file), sep="\n")


if __name__ == "__main__":
    main()
