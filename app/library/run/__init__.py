"""One run's folder, as it is written and locked."""
