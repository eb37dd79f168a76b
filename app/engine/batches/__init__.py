"""Rows as batches: few shapes, little padding, an order decided by the seed."""
