"""Building the app bundle from a checkout; no part of the installed app, which never imports it."""

import sys

# Before anything that an older Python could not even read: a Mac's own python3 is one.
if sys.version_info < (3, 11):  # noqa: UP036
    raise SystemExit(
        "Nestling needs Python 3.11 to 3.13; this is {}.{}. Install one from python.org, then run "
        "python3.12 -m app.packaging build.".format(*sys.version_info[:2])
    )
