"""From a row to an example: its schema, its checks, its warnings."""
