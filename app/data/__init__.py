"""Datasets: from files on disk to tokenized examples. Knows no Qt and no MLX."""
