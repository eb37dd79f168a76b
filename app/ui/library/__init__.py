"""The Library page's parts: the list of runs, a run that is opened, runs compared."""
