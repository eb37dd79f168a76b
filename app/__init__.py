"""Nestling: fine-tunes language models on this Mac, in tiers that update at their own pace."""

__version__ = "0.1.0"
