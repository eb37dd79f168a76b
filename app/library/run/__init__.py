"""Writes and locks one run's folder."""
