"""The limit of open files, which a library can't lower while it is imported."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def open_file_limit_kept() -> Iterator[None]:
    """Inside, calls of `resource.setrlimit` have no effect.

    mlx-lm lowers the limit for good when it is imported. A lowered hard limit can't be raised
    again, so the call itself must not happen.
    """
    set_limit = resource.setrlimit
    resource.setrlimit = lambda *_: None
    try:
        yield
    finally:
        resource.setrlimit = set_limit
