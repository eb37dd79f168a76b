"""The jobs of the compute thread and of the data process."""
