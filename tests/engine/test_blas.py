"""The BLAS in front of MLX on Linux."""

import os
import sys

import pytest

from app.engine.blas import load_fast_blas

VARIABLE = "OPENBLAS_THREAD_TIMEOUT"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MLX needs no other BLAS")
@pytest.mark.parametrize(("given", "then"), [(None, "23"), ("9", "9")])
def test_its_threads_wait_in_a_loop_only_for_a_moment_or_as_the_user_says(
    monkeypatch: pytest.MonkeyPatch, given: str | None, then: str
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if given is not None:
        monkeypatch.setenv(VARIABLE, given)
    load_fast_blas()
    assert os.environ[VARIABLE] == then
