"""The live plots of a training run.

Import `run_plots` late: it brings in pyqtgraph, which takes a second. This package imports nothing.
"""
