"""The plan of the next run: what goes in, and what would happen."""
