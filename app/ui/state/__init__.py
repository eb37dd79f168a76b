"""What the window shows and the run in progress: shared by all places, knows none of them."""
