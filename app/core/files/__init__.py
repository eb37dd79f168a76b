"""Files and folders: where they are, how they are written, how untrusted ones are read."""
