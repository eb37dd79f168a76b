"""Trying a checkpoint: choosing it, asking it beside its base model, reading both answers."""
