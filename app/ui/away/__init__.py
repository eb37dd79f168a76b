"""The running run while nobody looks: no idle sleep, a notification at its end, the Dock icon."""
