"""Tiers: the plan, the optimizer that follows it, and the rules of its updates."""
