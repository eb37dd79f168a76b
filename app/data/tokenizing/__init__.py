"""Opens token stores, or builds them by tokenizing the rows of a file."""
