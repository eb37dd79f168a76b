"""Turns rows into examples: schemas, checks, warnings."""
