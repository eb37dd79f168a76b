"""Child processes as copies of one that has imported what they need, once for all tests.

They are processes of their own as the app's are, and do the same; spared are up to a second and a
half of imports each. Tests of how a process begins, or of its limits, ask for `spawned_processes`.
"""

import os
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any


class _WithItsParentsEnvironment(ForkServerProcess):
    """The copied process began in the environment of another test."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._environment = dict(os.environ)

    def run(self) -> None:
        os.environ.clear()
        os.environ.update(self._environment)
        super().run()


class ForkedProcesses(ForkServerContext):
    Process = _WithItsParentsEnvironment  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.set_forkserver_preload(["tests.imported_ahead"])
