"""Files and folders: paths, atomic writes, locks, and safe reads of untrusted files."""
