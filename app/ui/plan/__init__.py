"""The controls for the settings of the next run."""
