"""The slow and the lasting clock, which preserve what the model knew before a run.

The fast clock is TieredAdamW itself. The others are off unless the configuration turns them on.
"""
