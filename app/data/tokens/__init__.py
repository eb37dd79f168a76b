"""Tokenized rows as arrays, and the stores that keep them on disk."""
