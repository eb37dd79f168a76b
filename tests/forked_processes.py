"""Child processes as copies of one that has imported what they need, once for all tests.

They are processes of their own as the app's are, and do the same; spared are up to a second and a
half of imports each. Tests of how a process begins, or of its limits, ask for `spawned_processes`.
"""

import os
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.forkserver import ForkServer, _forkserver  # type: ignore[attr-defined]
from typing import Any


class _WithItsParentsEnvironment(ForkServerProcess):
    """The copied process began in the environment of another test.

    It has its own processes copied by the same server: another one would import everything again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._environment = dict(os.environ)
        _forkserver.ensure_running()
        known = vars(_forkserver)
        self._server = {name: known[name] for name in _SERVER if name in known}

    def run(self) -> None:
        os.environ.clear()
        os.environ.update(self._environment)
        vars(_forkserver).update(self._server)
        ForkServer.ensure_running = _is_running
        super().run()


_SERVER = ("_forkserver_address", "_forkserver_authkey")


def _is_running(_: ForkServer) -> None:
    """It ends with the test process, long after its copies."""


class ForkedProcesses(ForkServerContext):
    Process = _WithItsParentsEnvironment  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.set_forkserver_preload(["tests.imported_ahead"])
