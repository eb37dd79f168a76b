"""The one bound on every wait for a fact: it keeps a test from hanging, and asserts no speed."""

PATIENCE_SECONDS = 300
"""Far more than anything takes where other programs have the processor."""
PATIENCE_MS = 1000 * PATIENCE_SECONDS
