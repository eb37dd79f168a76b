"""The New Run page: the plan of the next run, with its dataset, base model and settings."""
