"""The rows that a run trains and validates on: splits, mixtures, limits, statistics."""
