"""This computer and this process: memory, child processes, interruption, versions."""
