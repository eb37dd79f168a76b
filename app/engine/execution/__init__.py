"""Runs a model for training, evaluation and tracing: fast paths, patches, losses."""
