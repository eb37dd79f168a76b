"""The desktop during a run: prevents sleep, posts a notification at its end, updates the
Dock icon.
"""
