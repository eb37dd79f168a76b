"""The Data page's parts: what follows the dataset, and what shows it."""
