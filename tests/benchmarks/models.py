"""The Models list at its size: 200 model folders with headers as real ones have them.

python -m tests.benchmarks.models
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.core.files.paths import HOME_VARIABLE, cache_dir
from app.models.catalog import INDEX_FILE, list_models
from tests.models.made_models import write_model
from tests.models.user_home import ELSEWHERE

MODELS = 200
LAYERS = (16, 24, 28, 32, 36)
"""From 147 to 831 tensors each."""


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {HOME_VARIABLE: home, "HOME": home}
        for name in ELSEWHERE:
            os.environ.pop(name, None)
        write_models(Path(home))
        say("200 models listed, none read", timed(lambda: list_models(0.0), 5), "<= 0.3")
        say("200 models read, the first time", timed(list_models, 1), "")
        say("200 models listed again", timed(list_models, 5), "<= 0.3")
        window()


def write_models(home: Path) -> None:
    for number in range(MODELS):
        folder = home / ".lmstudio" / "models" / "mlx-community" / f"Llama-{number}-4bit"
        write_model(
            folder, num_hidden_layers=LAYERS[number % len(LAYERS)], shards=1 + number % 4,
            bits=None if number % 5 == 0 else 4,
        )  # fmt: skip


def window() -> None:
    """The page as a user comes to it, until all rows are painted; its models known or new."""
    from app.application import Nestling
    from app.ui.state.window_pages import Place
    from app.ui.system.qt_application import make_application
    from app.workers.tasks.models import ListedModels

    application = make_application(["nestling"])
    nestling = Nestling(application)
    nestling.own_the_process()
    nestling.window.show()
    page = nestling.models

    def until(is_so: Callable[[], bool]) -> None:
        while not is_so():
            application.processEvents()
            time.sleep(0.001)  # so that the other thread gets its turn, as in the app's own loop

    def is_at_rest() -> bool:
        return not nestling.background.is_busy

    def page_shown() -> None:
        nestling.window.show_place(Place.MODELS)
        until(lambda: page.list.models.rowCount() == MODELS)
        nestling.window.grab()

    until(lambda: nestling.runs.opened.plots_place.plots is not None)
    for what, is_known in (("known", True), ("new", False)):
        taken = []
        for _ in range(3):
            until(is_at_rest)
            nestling.window.show_place(Place.NEW_RUN)
            page.show_models(ListedModels((), 1))
            if not is_known:
                (cache_dir() / INDEX_FILE).unlink(missing_ok=True)
            taken.append(measured(page_shown))
        say(f"the page with 200 models, {what}", median(taken), "<= 0.3")
    nestling.shut_down()


Taken = tuple[float, float]
"""Seconds by the clock and of the processor."""


def timed(work: Callable[[], object], times: int) -> Taken:
    return median([measured(work) for _ in range(times)])


def measured(work: Callable[[], object]) -> Taken:
    begun, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begun, time.process_time() - used


def median(taken: list[Taken]) -> Taken:
    clock, processor = zip(*taken, strict=True)
    return statistics.median(clock), statistics.median(processor)


def say(what: str, taken: Taken, wanted: str) -> None:
    print(f"{what:50} {taken[0]:.3f} s, processor {taken[1]:.3f} s   {wanted}")


if __name__ == "__main__":
    main()
