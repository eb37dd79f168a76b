"""Inspects a dataset before a run: rows, issues, duplicates."""
