"""The demo's configuration: the starter model learns the sample's new facts in under 90 seconds."""

from app.core.config.training_config import TierConfig, TrainingConfig
from app.core.files.paths import starter_dir, starter_model_dir


def demo_config() -> TrainingConfig:
    """What `nestling demo` trains; its question sets are asked before and after, and forgetting is
    measured along the run."""
    starter = starter_dir()
    return TrainingConfig(
        model=starter_model_dir(),
        data=starter / "sample",
        question_sets=(starter / "sample" / "new_facts.jsonl", starter / "retention.jsonl"),
        name="demo",
        tiers=(TierConfig(1), TierConfig(2), TierConfig(4)),
        steps=150,
        batch_size=8,
        learning_rate=1e-3,
        rank=8,
        scale=10.0,
        warmup_steps=5,
        steps_per_eval=30,
        steps_per_save=50,
        measure_forgetting=True,
    )
