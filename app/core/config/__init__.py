"""A run's settings, one module for each section of the form.

Together they are TrainingConfig in app/core/config/training_config.py.
"""
