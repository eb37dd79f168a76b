"""The state of the window and of its run, shared by all pages and independent of them."""
