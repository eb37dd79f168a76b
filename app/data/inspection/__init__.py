"""A dataset before any run: rows, issues, duplicates."""
