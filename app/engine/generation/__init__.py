"""Answers of a checkpoint, token by token."""
