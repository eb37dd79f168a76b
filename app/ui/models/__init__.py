"""The Models page: base models on this computer, and where to get more."""
