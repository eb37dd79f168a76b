"""The slow and the lasting clock: how a run keeps what the model knew before it.

The fast clock is TieredAdamW itself. None of the others is on unless the configuration asks for it.
"""
