"""Threads and processes beside the GUI thread, and the jobs that run there."""
