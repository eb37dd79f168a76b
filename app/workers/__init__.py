"""Threads and processes beside the GUI thread, and their jobs."""
