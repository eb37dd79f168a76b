"""The seam to the desktop and the operating system."""
