"""The run: its setup, its loop, its steps, its checkpoints."""
