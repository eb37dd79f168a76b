"""Threads: the one MLX thread and its relay into the GUI thread."""
