"""The parts that pages are made of; each knows what it shows and nothing of the page."""
