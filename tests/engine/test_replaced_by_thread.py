"""What a trace or a run replaces in MLX is replaced for its own thread, however threads overlap."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import mlx.core as mx

from app.engine.execution.attention_call import Attention, replaced_attention
from app.engine.runtime.custom_gradients import custom_function, tracing
from tests.patience import PATIENCE_SECONDS


@contextmanager
def in_another_thread(entered: Callable[[], AbstractContextManager[object]]) -> Iterator[None]:
    """Inside, another thread is within `entered()`."""
    is_in, may_leave = threading.Event(), threading.Event()

    def enter() -> None:
        with entered():
            is_in.set()
            may_leave.wait(PATIENCE_SECONDS)

    thread = threading.Thread(target=enter)
    thread.start()
    assert is_in.wait(PATIENCE_SECONDS)
    try:
        yield
    finally:
        may_leave.set()
        thread.join()


def gradient_of_its_own() -> float:
    """7.0 where a function's own gradient counts, 2.0 where it is differentiated as it stands."""

    @custom_function
    def doubled(x: object) -> object:
        return 2 * x  # type: ignore[operator]

    @doubled.vjp  # type: ignore[untyped-decorator]
    def _(_: object, error: object, __: object) -> object:
        return 7 * error  # type: ignore[operator]

    found = mx.grad(lambda x: doubled(x).sum())(mx.ones(1))
    return float(found.item())


def test_a_trace_leaves_another_threads_gradients_alone() -> None:
    with in_another_thread(tracing):
        assert gradient_of_its_own() == 7
    with tracing():
        assert gradient_of_its_own() == 2
    assert gradient_of_its_own() == 7


def test_traces_that_overlap_leave_nothing_behind() -> None:
    ours = tracing()
    ours.__enter__()
    with in_another_thread(tracing):
        ours.__exit__(None, None, None)
        assert gradient_of_its_own() == 7
    assert gradient_of_its_own() == 7


def attend() -> object:
    one = mx.zeros((1, 1, 1, 8))
    return mx.fast.scaled_dot_product_attention(one, one, one, scale=1.0)


def replaced_by(name: str) -> AbstractContextManager[None]:
    def instead(_: Attention) -> Attention:
        return lambda *args, **options: name

    return replaced_attention(instead)


def test_attention_is_replaced_for_one_thread_and_put_back_by_the_last() -> None:
    own = mx.fast.scaled_dot_product_attention
    ours = replaced_by("ours")
    ours.__enter__()
    with in_another_thread(lambda: replaced_by("theirs")):
        assert attend() == "ours"
        ours.__exit__(None, None, None)
        assert isinstance(attend(), mx.array)
    assert mx.fast.scaled_dot_product_attention is own
