"""Results, answers and memory verdicts in words, the same in the window and in the terminal."""
