"""Finds and fingerprints the files of datasets and base models."""
