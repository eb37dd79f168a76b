"""Qt item models and views for tables."""
