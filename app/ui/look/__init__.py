"""How everything looks and reads: theme, style sheet, icons, numbers as text."""
