"""Processes that begin as the app's do: how they begin and end is tested here."""

import pytest


@pytest.fixture(autouse=True)
def _processes_are_the_apps_own(spawned_processes: None) -> None: ...
