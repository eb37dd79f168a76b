"""Tokenized rows as arrays, and their stores on disk."""
