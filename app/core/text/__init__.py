"""Makes untrusted text safe to show, and formats numbers."""
