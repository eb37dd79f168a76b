"""The built-in guide: Markdown pages with a search in a separate window."""
