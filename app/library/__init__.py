"""Runs on disk: one self-describing folder each. Knows no Qt and no MLX."""
