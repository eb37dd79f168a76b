"""The window. Shows what the engine measured; computes nothing itself and never imports the engine."""
