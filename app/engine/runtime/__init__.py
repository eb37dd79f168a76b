"""MLX itself: its import, its errors, its device, several processes, stops."""
