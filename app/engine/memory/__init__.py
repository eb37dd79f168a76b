"""Estimates the memory of a run before it starts. This package imports nothing."""
