"""The look of the window: theme, style sheet, icons, and formatted numbers."""
