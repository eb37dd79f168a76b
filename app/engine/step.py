"""One optimizer step on the device: gradients, tiered update, the write into the model, the proof.

Three compiled functions do it: gradients (traced once a batch shape), the update (once a set of
due tiers), and the measurement. Between the last two the new weights are written into the model,
so that what is measured is what the model holds.
"""

from collections.abc import Callable, Sequence
from typing import Any

from app.core.errors import VerificationError
from app.engine.adapter_input import AdapterInput
from app.engine.batches import Batch
from app.engine.clocks.anchor import Anchor, stiffness_after
from app.engine.fast_paths import FastPaths, gradient_function
from app.engine.frozen_weights import FrozenWeights
from app.engine.head import Head
from app.engine.lora import read_parameters, trainable, write_parameters
from app.engine.losses import loss_inputs
from app.engine.machines import ALONE, Machines
from app.engine.memory_bound import MemoryBound
from app.engine.mlx_gateway import compiled, import_mlx
from app.engine.optimizer import Arrays, Gradients, OptimizerState, TieredAdamW
from app.engine.update_audit import UpdateAudit
from app.engine.update_rules import UpdateRules
from app.engine.verification import MovementMeter, StepMeasurement, idle_modules


class TrainingStep:
    """Steps a model; holds the optimizer state between steps. Lives on the MLX thread."""

    def __init__(
        self,
        model: Any,
        optimizer: TieredAdamW,
        state: OptimizerState,
        start: Arrays,
        *,
        head: Head | None = None,
        recompute_layers: bool = False,
        machines: Machines = ALONE,
        fast: FastPaths | None = None,
        rules: UpdateRules | None = None,
        anchor: Anchor | None = None,
        stiffness: Arrays | None = None,
    ) -> None:
        """`fast` says more than `head` and `recompute_layers`, and instead of them. `rules` are
        the configuration's; without them the audit goes by the optimizer's own settings. `anchor`
        pulls the adapter back to `start`, by the `stiffness` that it was made of."""
        self._model = model
        self._machines = machines
        self._fast = fast or FastPaths(head, recompute_layers)
        self._bound = MemoryBound()
        self._optimizer = optimizer
        self.state = state
        self._meter = MovementMeter(optimizer.plan, start)
        # What the model was last seen to hold: each step starts from there.
        self._paths = tuple(trainable(model))
        parameters = read_parameters(model, self._paths)
        self._held = self._meter.read(parameters)
        tied_to = (start, stiffness) if anchor and stiffness else None
        self._audit = UpdateAudit(
            rules or optimizer.rules(), optimizer.plan, parameters, state, tied_to
        )
        self._anchor, self._stiffness = anchor, stiffness
        self._frozen = FrozenWeights(model)
        self._input = AdapterInput(model, optimizer.plan)
        self._gradients: dict[tuple[tuple[int, ...], ...], Callable[..., Any]] = {}
        self._updates: dict[tuple[int, ...], Callable[..., Any]] = {}

    def trace(self, batch: Batch) -> None:
        """Compile for this batch's shape now, without touching weights or state.

        If layers are recomputed, later steps hold little more than this batch, or another one that
        was traced, is seen to need.
        """
        every = tuple(range(len(self._optimizer.plan.tiers)))
        import_mlx().eval(self._gradients_of_batch(batch, every))
        if self._fast.recomputes_layers:
            with self._bound.measuring():  # not the first time, which also makes what stays
                import_mlx().eval(self._gradients_of_batch(batch, every))

    def run(self, batches: Sequence[Batch], step: int, learning_rate: float) -> StepMeasurement:
        """Optimizer step `step` (1-based) over micro-batches. Raises VerificationError."""
        mx = import_mlx()
        self._audit.check_rate(step, learning_rate)
        trained_tokens = sum(batch.trained_tokens for batch in batches)
        due = self._optimizer.plan.due(step)
        taught = self._optimizer.taught(due)
        with self._machines.own_random_numbers(), self._bound.kept():
            loss, gradients = self._summed_gradients(batches, taught)
        loss, gradients = self._machines.summed(loss, gradients)
        before = read_parameters(self._model, self._paths)
        result = self._update(due)(
            loss,
            gradients,
            before,
            self._held,
            self.state.tree(),
            _scalar(trained_tokens),
            _scalar(learning_rate),
            [self._anchor.center, self._anchor.stiffness] if self._anchor else [],
        )
        moved, wanted, tree, norm, is_finite, pulls = result
        write_parameters(self._model, moved)
        try:
            after = read_parameters(self._model, self._paths)
            measured, held = self._meter.measure(self._held, after)
            observed = self._audit.observe(
                gradients, wanted, before, self._held, held, learning_rate
            )
            mx.async_eval(loss, measured, held, observed, result)
            self._audit.finish()  # the step before, while the device computes this one
            mx.eval(loss, measured, held, observed, result)
        except RuntimeError:
            # Out of memory, say: the model must not keep arrays that can never be computed.
            write_parameters(self._model, before)
            raise
        self.state, self._held = OptimizerState(*tree), held
        measurement = StepMeasurement(
            loss=loss.item() / trained_tokens,
            trained_tokens=trained_tokens,
            gradient_norm=norm.item(),
            pending=tuple(count.item() for count in self.state.pending_counts),
            movement=self._meter.movement(measured.tolist()),
            is_void=not is_finite.item(),
            pulls=tuple(
                pulls[tier].item() if tier in pulls else 0.0
                for tier in range(len(self._optimizer.plan.tiers) if self._anchor else 0)
            ),
        )
        self._audit.check(observed, step, learning_rate, measurement, gradients, wanted, held)
        return measurement

    def parameters(self) -> Arrays:
        """The adapter as it stands in the model now."""
        return trainable(self._model)

    def stiffness(self) -> Arrays:
        """How stiffly a run that continues from here is to be tied to each number, by path."""
        plan, parameters = self._optimizer.plan, self.parameters()
        return stiffness_after(plan, self.state, parameters, self._stiffness)

    def check_at_rest(self, step: int) -> None:
        """Raise VerificationError unless the model holds what was measured after `step`, finite,
        on the base model that it began with."""
        mx = import_mlx()
        self._audit.finish()
        self._frozen.check(step)
        now = self._meter.read(trainable(self._model))
        for tier, (found, measured) in enumerate(zip(now, self._held, strict=True)):
            if not mx.all(mx.isfinite(found)).item():
                raise VerificationError(
                    f"After step {step}, a weight of tier {tier} is infinite or not a number."
                )
            if not mx.array_equal(found, measured).item():
                raise VerificationError(
                    f"After step {step}, weights of tier {tier} changed outside of any step."
                )

    def idle_parts(self) -> str:
        """Sentences about tiers and modules that learned nothing so far, each after a space."""
        tiers = self._audit.idle_tiers(self._meter.drifts(self._held))
        unmoved = self._meter.unmoved(self._held, self._audit.learning_tiers())
        return tiers + idle_modules(unmoved)

    def _summed_gradients(
        self, batches: Sequence[Batch], tiers: tuple[int, ...]
    ) -> tuple[Any, Gradients]:
        """Loss and gradients summed, not averaged, over this machine's trained tokens."""
        mx = import_mlx()
        loss: Any = None
        total: Gradients = {}
        for batch in batches:
            batch_loss, found = self._gradients_of_batch(batch, tiers)
            # Before anything asks for them together: the backward pass gives gradients layer by
            # layer, and each layer's activations are to be gone before the next one's come.
            mx.async_eval(batch_loss, found)
            gradients = {tier: self._input.gradient(tier, found) for tier in tiers}
            if loss is None:
                loss, total = batch_loss, gradients
            else:
                loss += batch_loss
                total = {tier: total[tier] + gradients[tier] for tier in total}
            if len(batches) > 1:
                mx.eval(loss, total)  # one micro-batch's activations at a time
        return loss, total

    def _gradients_of_batch(self, batch: Batch, tiers: tuple[int, ...]) -> tuple[Any, Arrays]:
        """By parameter, of this machine's share, summed; compiled for its shape the first time."""
        own = self._machines.share(batch)
        # Packed rows of one length may hold examples of other lengths: not one function.
        key = (tiers, own.read_lengths)
        if key not in self._gradients:
            random = import_mlx().random.state
            self._gradients[key] = compiled(
                self._gradient_for(*key), inputs=[self._model.state, random], outputs=[random]
            )
        inputs = loss_inputs(own, self._fast.head)
        return self._gradients[key](self._held, *inputs)  # type: ignore[no-any-return]

    def _gradient_for(
        self, tiers: tuple[int, ...], packed_lengths: tuple[int, ...]
    ) -> Callable[..., Any]:
        """Loss and gradients of some tiers; the backward pass ends at the lowest of them.

        What is made here is kept in `self` and must not hold it: the model would stay in memory
        after the run, until Python's collector came by.
        """
        plan = self._optimizer.plan
        paths = [path for tier in tiers for path in plan.paths(tier)]
        return gradient_function(self._model, self._fast, self._input, paths, packed_lengths)

    def _update(self, due: tuple[int, ...]) -> Callable[..., Any]:
        if due not in self._updates:
            self._updates[due] = compiled(self._update_for(due))
        return self._updates[due]

    def _update_for(self, due: tuple[int, ...]) -> Callable[..., Any]:
        optimizer = self._optimizer
        strength = self._anchor.strength if self._anchor else 0.0

        def update(
            loss: Any,
            gradients: Gradients,
            parameters: Arrays,
            held: list[Any],
            tree: list[Any],
            tokens: Any,
            rate: Any,
            anchor: list[list[Any]],
        ) -> tuple[Any, ...]:
            state = OptimizerState(*tree)
            pull = Anchor(anchor[0], anchor[1], strength).pulled if anchor else None
            result = optimizer.step(
                gradients, parameters, held, state, due, rate, loss, tokens, pull
            )
            return (
                result.moved,
                result.vectors,
                result.state.tree(),
                result.norm,
                result.is_finite,
                result.pulls,
            )

        return update


def _scalar(value: float) -> Any:
    mx = import_mlx()
    return mx.array(value, mx.float32)
