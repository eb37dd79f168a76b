"""Training on MLX, and the only layer that imports it. All of it runs on one thread."""
