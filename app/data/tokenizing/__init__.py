"""Token stores: opened, or made by tokenizing the rows of a file."""
