"""The files of datasets and of base models: found, and fingerprinted."""
