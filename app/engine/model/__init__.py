"""Base models: loading, structure, tokenizer. Knows no adapter layer and no training."""
