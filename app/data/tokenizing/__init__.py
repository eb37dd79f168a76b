"""Token stores: opened, or built by tokenizing the rows of a file."""
