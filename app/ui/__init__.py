"""The window: shows what the engine measured, computes nothing, never imports the engine."""
