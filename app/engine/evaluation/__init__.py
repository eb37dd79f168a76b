"""Measurements of a model between steps: validation, questions, forgetting."""
