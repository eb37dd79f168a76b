"""What a plan would hold, before a run: asked by the window while the user edits tiers."""

from dataclasses import replace

from app.core.config import TrainingConfig
from app.core.events import TierFacts
from app.engine.adapter import add_adapter
from app.engine.assignment import make_plan
from app.engine.loading import load_architecture
from app.engine.lora import trainable
from app.engine.plan_facts import tier_facts


def preview_tiers(config: TrainingConfig) -> tuple[TierFacts, ...]:
    """What each tier of `config` would hold, without reading weights. Raises AppError.

    By importance the data decides, at the start: the counts are about right, the rest is open.
    """
    model = load_architecture(config.checked().model)
    add_adapter(model, config)
    parameters = trainable(model)
    facts = tier_facts(make_plan(parameters, config), parameters)
    if config.assign != "importance":
        return facts
    said = "about; decided at the start, from your data"
    return tuple(replace(fact, layers=(), description=said) for fact in facts)
