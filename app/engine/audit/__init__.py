"""Measures whether updates reached the model. Shares no code with the optimizer and the plan."""
