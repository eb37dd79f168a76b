"""The live plots of a training run.

Import `run_plots` late: it imports pyqtgraph, which takes a second. This package itself imports
nothing.
"""
