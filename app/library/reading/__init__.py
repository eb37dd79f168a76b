"""Reads runs from disk, for lists, details and exports."""
