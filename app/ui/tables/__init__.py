"""Qt item models for tables."""
