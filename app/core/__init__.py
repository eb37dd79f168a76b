"""Plain values every layer shares: configuration, events, errors, paths. Knows no Qt and no MLX."""
