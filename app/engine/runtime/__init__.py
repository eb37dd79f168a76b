"""MLX itself: its gate, errors, device, distributed processes, and stopping."""
