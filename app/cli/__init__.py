"""`nestling …` in a terminal: the same engine without a window. Never imports Qt."""
