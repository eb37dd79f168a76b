"""Runs as they are read from disk: listed, opened, exported."""
