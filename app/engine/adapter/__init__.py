"""LoRA and DoRA adapters: the modules that can carry one, their layers, their initial weights."""
