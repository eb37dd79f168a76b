"""The Runs page: the list of runs, the comparison of runs, and studies."""
