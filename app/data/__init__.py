"""Datasets: from files on disk to tokenised examples. Knows no Qt and no MLX."""
