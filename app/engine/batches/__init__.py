"""Batches of rows: few shapes, little padding, and an order that the seed determines."""
