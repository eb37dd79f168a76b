"""Finds and describes base models on disk without loading them; knows neither MLX nor Qt."""
