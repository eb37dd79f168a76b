"""MLX itself: its import, errors, device and distributed processes; and stopping long work."""
