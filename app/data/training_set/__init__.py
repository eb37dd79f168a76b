"""The rows that a run trains and validates on: split, mixed, cut, counted."""
