"""The Models page: lists the base models on this computer, and recommends others."""
