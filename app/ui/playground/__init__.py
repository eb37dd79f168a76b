"""The Playground page: choose a checkpoint, ask it and its base model, compare both answers."""
