"""One row as an example: its shape, its checks, its warnings."""
