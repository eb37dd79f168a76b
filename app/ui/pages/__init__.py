"""The places the sidebar leads to; they do not know each other."""
