"""The Data page, and the services behind it that read and tokenize datasets."""
