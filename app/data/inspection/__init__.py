"""What a dataset holds, shown before any run: rows, problems, duplicates."""
