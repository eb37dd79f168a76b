"""Finds and describes base models on disk without loading them, and without MLX and Qt."""
