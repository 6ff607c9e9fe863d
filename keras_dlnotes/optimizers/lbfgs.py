"""L-BFGS: quasi-Newton steps from the last few gradients, memory linear in the weights."""

from typing import Any, Self

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.backend.registration import registered
from keras_dlnotes.constraints.box_constraint import Box
from keras_dlnotes.numerics import box, lbfgs_b, lbfgs_direction
from keras_dlnotes.numerics.line_search_machine import LineSearchControl
from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.numerics.phases import Phase, Points
from keras_dlnotes.numerics.quasi_newton_step import CurvaturePair
from keras_dlnotes.optimizers import bounds as bounds_of_weights
from keras_dlnotes.optimizers.quasi_newton import QuasiNewton

xp = active.arrays


@registered("LBFGS")
class LBFGS(QuasiNewton):
    """Limited-memory BFGS with a line search: fast, precise training on the full batch.

    When to use it: the loss is deterministic (full batch, no dropout, no random augmentation) and
    accuracy matters, as in regression, curve fitting, logistic regression and physics-informed
    networks. Not for mini-batches: there the loss changes by itself between two evaluations, which
    this optimizer notices and says (`status`), and no step can be judged.

    Formula, w and g = dL/dw of shape [n], with one training step of `fit` being one evaluation of
    loss and gradient:

        w = w + a p,    p = -H g

    where H (never formed) is the BFGS approximation of the inverse Hessian from the last
    m = `memory_size` accepted steps s = w_new - w_old and gradient changes y = g_new - g_old,
    started from (s^T y / y^T y) I, and the step size a, found by Moré and Thuente's line search,
    satisfies the strong Wolfe conditions with c1 = `sufficient_decrease` and c2 = `curvature`:

        L(w + a p) <= L(w) + c1 a p^T g        |p^T g_new| <= c2 |p^T g|

    The trial points of the search are the weights between training steps. `fit` returns with the
    best accepted point in the model; `validation_data` and checkpoints at the end of an epoch see a
    trial point unless `keras_dlnotes.callbacks.StopWhenConverged` is among the callbacks. Outside
    `fit`, call `scale_loss(loss)` where the loss is differentiated, `apply(gradients, variables)`
    after it, and `finalize_variable_values(variables)` at the end. Where `scale_loss` is not
    called, a search on gradients alone (approximate Wolfe conditions) takes over.

    A second `fit` goes on where the first ended, in the middle of a search as well, with the same
    steps; its first evaluation is at the accepted point once more, to tell whether weights and
    data are the same. So `fit(5)` twice takes the steps of `fit(9)`, and a `fit` of one epoch takes
    none. A checkpoint taken during `fit` (`BackupAndRestore`) resumes without that evaluation.

    Neither the search nor the default for when it has converged depends on what the loss is
    measured in; a `gradient_tolerance` of your own does, and has to be scaled along. A model
    quantized to float8 changes its scales at every evaluation: `status` tells when that, or a loss
    of too few digits, is all that is left to see.

    The loss has to be smooth. An L1 penalty has no derivative at 0, where its minimum often lies: a
    search that comes there ends as "line search failed". Use a first-order optimizer (`Adam`) with
    `kd.regularizers.L1`, or `kd.regularizers.L2`.

    **Bounds.** With `bounds`, or weights whose constraint is `keras.constraints.NonNeg` or
    `kd.constraints.Box`, the method is L-BFGS-B: the search goes towards the minimum of the
    quadratic model between the bounds, and every point that it evaluates lies between them. Weights
    that start outside are moved to the nearest bound when the optimizer is built. Components of the
    gradient that point out of the box, at a bound, do not count for `gradient_tolerance`.

    Args:
        memory_size: How many pairs (s, y) to remember; 2 * memory_size * n numbers.
        gradient_tolerance: Converged when no component of the gradient is larger than this, in the
            unit of the loss. None: converged when the next step promises a decrease that does
            not count, whatever L and w are measured in, see
            `keras_dlnotes.callbacks.StopWhenConverged`; at a start, when no
            component is larger than epsilon^(2/3) |L|.
        sufficient_decrease: c1 of the Wolfe conditions.
        curvature: c2 of the Wolfe conditions.
        max_search_evaluations: Evaluations in one line search before its best point is taken.
        verify_determinism: Evaluate the accepted point once more in the first search that takes
            long, to find out whether the loss repeats itself.
        bounds: `None`, a pair (low, high) of numbers for all weights, or a function that takes a
            variable and returns such a pair, of numbers or arrays, or `None`. In a pair `None`
            means no bound. They hold beside those of constraints. To save a model with a function,
            register it by `keras.saving.register_keras_serializable`.
        name: The optimizer's name.
        **kwargs: `loss_scale_factor` is folded in. Keras's other optimizer arguments (clipping,
            weight decay, averaging, accumulation, a learning rate) are refused with the reason.

    Raises:
        ValueError: For an argument that would falsify the line search, bounds that leave no
            number between them, or a variable with another constraint.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.LBFGS(), loss="mse")
    model.fit(x, y, batch_size=len(x), epochs=200)
    print(model.optimizer.status, model.optimizer.progress)
    kd.optimizers.LBFGS(bounds=(0.0, None))  # no weight below 0
    kd.optimizers.LBFGS(bounds=lambda v: (0.0, 1.0) if v.name == "kernel" else None)
    ```

    Reference: J. Nocedal and S. Wright, Numerical Optimization, 2nd edition, algorithm 7.5; J. J.
    Moré and D. J. Thuente, ACM TOMS 20 (1994), for the line search; R. H. Byrd, P. Lu, J. Nocedal
    and C. Zhu, SIAM J. Sci. Comput. 16 (1995), and J. L. Morales and J. Nocedal, ACM TOMS 38
    (2011), for the bounds.
    """

    takes_bounds = True
    # The bounds as variables, `box.BoxBounds`; None without any.
    _box: Any = None

    def __init__(
        self,
        memory_size: int = 10,
        gradient_tolerance: float | None = None,
        sufficient_decrease: float = 1e-4,
        curvature: float = 0.9,
        max_search_evaluations: int = 20,
        verify_determinism: bool = True,
        name: str = "lbfgs",
        bounds: bounds_of_weights.Bounds = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            gradient_tolerance,
            sufficient_decrease,
            curvature,
            max_search_evaluations,
            verify_determinism,
            name,
            **kwargs,
        )
        self.memory_size = whole_number("memory_size", memory_size, advice="3 to 20 is usual.")
        self.bounds = bounds_of_weights.check(bounds)

    def build_curvature(self, size: int, dtype: str) -> None:
        """The ring of the last `memory_size` pairs and the inner products among them."""
        m = self.memory_size
        self._history = self.add_variable((2 * m, size), "zeros", dtype, name="history")
        self._steps_changes = self.add_variable((m, m), "zeros", dtype, name="steps_changes")
        self._changes_changes = self.add_variable((m, m), "zeros", dtype, name="changes_changes")
        self._build_bounds(size, dtype)

    def _build_bounds(self, size: int, dtype: str) -> None:
        pairs = bounds_of_weights.of_variables(self.bounds, self._weights) if size else None
        if pairs is None:
            self._box = None
            return
        m = self.memory_size
        self._steps_steps = self.add_variable((m, m), "zeros", dtype, name="steps_steps")
        self._bound_values = [
            np.concatenate([np.ravel(bound).astype(dtype) for bound in side])
            for side in zip(*pairs, strict=True)
        ]
        self._box = box.BoxBounds(
            *(self.add_variable((size,), "zeros", dtype, name=name) for name in ("low", "high"))
        )
        self._set_bounds()
        for variable, (low, high) in zip(self._weights, pairs, strict=True):
            xp.clip_now(variable, low, high)
            own = bounds_of_weights.of_constraint(getattr(variable, "constraint", None))
            if own is not None:
                # Keras applies it after each step. Its own may round float64 weights to float32.
                variable.constraint = Box(*own)

    def _set_bounds(self) -> None:
        for variable, value in zip(self._box, self._bound_values, strict=True):
            xp.set_now(variable, value)

    def load_own_variables(self, store: Any) -> None:
        """Set the optimizer's state; the bounds stay those of this optimizer."""
        super().load_own_variables(store)
        if self._box is not None:
            self._set_bounds()

    def _bounds_now(self) -> box.BoxBounds:
        return box.BoxBounds(self._box.low.value, self._box.high.value)

    def gradient_size(self, point: Any, gradient: Any, scale: Any = None) -> Any:
        """See `QuasiNewton.gradient_size`; at a bound only what points into the box counts."""
        if self._box is not None:
            gradient = box.descent(self._bounds_now(), point, gradient)
        return super().gradient_size(point, gradient, scale)

    def steepest(self, point: Any, gradient: Any, loss: Any, scale: Any = None) -> tuple[Any, Any]:
        """See `QuasiNewton.steepest`; projected into the box."""
        if self._box is None:
            return super().steepest(point, gradient, loss, scale)
        return box.steepest(self._bounds_now(), point, gradient, loss, scale)

    def longest_step(self, point: Any, direction: Any, most: Any) -> Any:
        """See `QuasiNewton.longest_step`; to the first bound that the direction meets."""
        if self._box is None:
            return super().longest_step(point, direction, most)
        return box.longest_step(self._bounds_now(), point, direction, most)

    def point_along(self, point: Any, step: Any, direction: Any) -> Any:
        """See `QuasiNewton.point_along`; never outside of the box."""
        if self._box is None:
            return super().point_along(point, step, direction)
        return box.point_along(self._bounds_now(), point, step, direction, self._epsilon)

    def advance(
        self,
        control: LineSearchControl,
        points: Points,
        weights: Any,
        gradient: Any,
        loss: Any = None,
    ) -> tuple[Any, Points]:
        """See `SecondOrderOptimizer.advance`; weights that were set outside of the box go back."""
        control, points = super().advance(control, points, weights, gradient, loss)
        if self._box is None:
            return control, points
        inside = box.project(self._bounds_now(), weights)
        outside = xp.logical_not(xp.all_equal(inside, weights))
        start = control.phase * 0.0 + float(Phase.START)
        return (
            control._replace(phase=xp.where(outside, start, control.phase)),
            points._replace(trial_point=xp.where(outside, inside, points.trial_point)),
        )

    def descend(
        self,
        point: Any,
        gradient: Any,
        pair: CurvaturePair,
        keep_pair: Any,
        stored: Any,
        begins: Any,
    ) -> Any:
        """See `QuasiNewton.descend`; the formulas are in `numerics.lbfgs_direction`.

        With bounds they are in `numerics.lbfgs_b`.
        """
        m = self.memory_size
        count = xp.cast(stored, "int32")
        slot = (count - 1) % m
        # A row is written in every step, the old one where there is no pair to keep: a write
        # inside a conditional would copy the whole history on some backends.
        for index, change in ((slot, pair.step_change), (slot + m, pair.gradient_change)):
            old = xp.row(self._history.value, index)
            xp.assign_row(self._history, index, xp.where(keep_pair, change, old))
        history = self._history.value
        steps_changes, changes_changes = self._steps_changes.value, self._changes_changes.value

        def take_in() -> Any:
            with_steps, with_changes = lbfgs_direction.products(history, m, pair.gradient_change)
            return (
                lbfgs_direction.gram_column(steps_changes, slot, with_steps),
                lbfgs_direction.gram_cross(changes_changes, slot, with_changes),
            )

        steps_changes, changes_changes = xp.conditional(
            keep_pair, take_in, lambda: (steps_changes, changes_changes)
        )
        self._steps_changes.assign(steps_changes)
        self._changes_changes.assign(changes_changes)
        if self._box is not None:
            return self._descend_in_box(point, gradient, pair, keep_pair, slot, count, begins)

        def direction() -> Any:
            scaling = xp.entry(steps_changes, slot) / xp.entry(changes_changes, slot)
            return lbfgs_direction.direction(
                history, steps_changes, changes_changes, gradient, scaling, count, m
            )

        return xp.conditional(begins, direction, lambda: gradient * 0.0)

    def _descend_in_box(
        self,
        point: Any,
        gradient: Any,
        pair: CurvaturePair,
        keep_pair: Any,
        slot: Any,
        count: Any,
        begins: Any,
    ) -> Any:
        m, history = self.memory_size, self._history.value
        steps_changes, changes_changes = self._steps_changes.value, self._changes_changes.value
        steps_steps = self._steps_steps.value

        def take_in() -> Any:
            with_steps, with_changes = lbfgs_direction.products(history, m, pair.step_change)
            return (
                lbfgs_direction.gram_cross(steps_steps, slot, with_steps),
                xp.place(steps_changes, slot, with_changes),
            )

        steps_steps, steps_changes = xp.conditional(
            keep_pair, take_in, lambda: (steps_steps, steps_changes)
        )
        self._steps_steps.assign(steps_steps)
        self._steps_changes.assign(steps_changes)

        def direction() -> Any:
            theta = xp.entry(changes_changes, slot) / xp.entry(steps_changes, slot)
            curvature = lbfgs_b.curvature(history, steps_steps, steps_changes, theta, count, m)
            return lbfgs_b.direction(self._bounds_now(), point, gradient, curvature, self._epsilon)

        return xp.conditional(begins, direction, lambda: gradient * 0.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this optimizer again."""
        bounds = self.bounds
        if callable(bounds):
            bounds = keras.saving.serialize_keras_object(bounds)
        return {"memory_size": self.memory_size, **super().get_config(), "bounds": bounds}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Make an optimizer of what `get_config` returned."""
        bounds = config.get("bounds")
        if isinstance(bounds, dict):
            bounds = keras.saving.deserialize_keras_object(bounds, custom_objects)
        return super().from_config({**config, "bounds": bounds}, custom_objects)
