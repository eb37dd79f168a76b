"""LoRA and DoRA adapters: where they fit, their layers, where they start."""
