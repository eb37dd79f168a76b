"""A run: while it trains, and its result."""
