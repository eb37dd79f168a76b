"""The settings of the next run as controls."""
