"""The memory a run will need, before it starts. This package imports nothing."""
