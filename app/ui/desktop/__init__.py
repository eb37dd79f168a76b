"""The desktop during a run: no idle sleep, a notification at its end, the Dock icon."""
