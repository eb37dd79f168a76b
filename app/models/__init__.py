"""Base models on disk, found and described without loading them; knows neither MLX nor Qt."""
