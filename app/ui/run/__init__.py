"""The page of a run: its progress while it trains, and its result afterwards."""
