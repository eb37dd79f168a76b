"""A model's mode: training, or evaluating with dropout off. Knows nothing of what is computed."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from app.engine.model.language_model import LanguageModel


def evaluating(model: LanguageModel) -> AbstractContextManager[None]:
    """Dropout off inside, and the mode as it was after."""
    return _in_mode(model, is_training=False)


def training(model: LanguageModel) -> AbstractContextManager[None]:
    """Dropout on inside, and the mode as it was after."""
    return _in_mode(model, is_training=True)


@contextmanager
def _in_mode(model: LanguageModel, *, is_training: bool) -> Iterator[None]:
    was_training = model.training
    model.train(is_training)
    try:
        yield
    finally:
        model.train(was_training)
