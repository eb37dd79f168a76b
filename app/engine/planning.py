"""What a plan would hold, before a run: asked by the window while the user edits tiers."""

from app.core.config import TrainingConfig
from app.core.events import TierFacts
from app.engine.loading import load_architecture
from app.engine.lora import add_adapter, trainable
from app.engine.tiers import make_plan, tier_facts


def preview_tiers(config: TrainingConfig) -> tuple[TierFacts, ...]:
    """What each tier of `config` would hold, without reading weights. Raises AppError."""
    model = load_architecture(config.checked().model)
    add_adapter(model, config)
    parameters = trainable(model)
    return tier_facts(make_plan(parameters, config), parameters)
