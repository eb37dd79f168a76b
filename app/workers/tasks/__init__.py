"""Short tasks for the background thread."""
