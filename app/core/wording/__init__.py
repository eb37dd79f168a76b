"""Sentences about events, results, answers and memory, shared by window and terminal."""
