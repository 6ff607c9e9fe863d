"""The Gauss-Newton method with Levenberg's and Marquardt's damping, for sums of squares."""

from collections.abc import Callable
from typing import Any, Literal

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import levenberg_marquardt, levenberg_marquardt_machine
from keras_dlnotes.numerics.levenberg_marquardt_machine import Fresh, StoredLadder
from keras_dlnotes.numerics.number_arguments import is_real_number, whole_number
from keras_dlnotes.numerics.phases import Points
from keras_dlnotes.optimizers import flat_weights, gauss_newton_factor
from keras_dlnotes.optimizers.gauss_newton_factor import LeastSquares
from keras_dlnotes.optimizers.second_order_optimizer import SecondOrderOptimizer
from keras_dlnotes.optimizers.trust_region import UNSCALED

xp = active.arrays
# Steps from one Jacobian: the shortest is 1 / 1024 of the first.
_STEPS = 11
SCALES = ("jacobian", "uniform")


@registered("GaussNewton")
class GaussNewton(SecondOrderOptimizer):
    """Levenberg-Marquardt: least squares and cross-entropies with the Jacobian of the outputs.

    When to use it: full batch, regression or classification with up to a few thousand weights (or
    with a few thousand residuals, however many weights there are), and the minimum wanted in few
    steps or to the last digit: curve fitting, physics-informed networks, small networks. Otherwise
    `NewtonCG(curvature="gauss_newton")`, which needs no matrix, or `LBFGS`.

    Formula, w, g, p of shape [n], the outputs o of all examples of shape [m], J = do/dw [m, n]:

        w = w + p,   p = argmin g^T p + p^T G p / 2  over |D p| <= radius
                       = -(G + mu D^2)^-1 g,   G = J^T (d^2 L / do^2) J + penalties' curvature

    For a mean of squares d^2 L / do^2 is a multiple of 1 and this is the method of Levenberg and
    Marquardt. D_j is the largest length of column j of the Jacobian so far, which makes the method
    independent of the units of weights and inputs (`scale="jacobian"`); the radius follows from how
    well the model foretold the last loss, all as in MINPACK's `lmder`
    (`scipy.optimize.least_squares` with `method="lm"`). It works on a factor F of G = F^T F and
    its singular values, not on G: half of the digits would be lost there. F has min(m, n) rows: R
    of a QR decomposition where there are more residuals than weights, all of them where there are
    fewer (the dual, or kernel, form).

    Supported losses: those of Keras that are convex in the outputs and twice differentiable
    (`mean_squared_error`, `mean_squared_logarithmic_error`, `binary_crossentropy`,
    `categorical_crossentropy`, `sparse_categorical_crossentropy`, `kl_divergence`, `poisson`,
    `log_cosh`, `huber`, `squared_hinge`), with weights of examples and classes, masks, any
    reduction, several outputs; and functions of your own of that kind. Behind a `softmax` or
    `sigmoid` in the last layer, the outputs are the numbers before it. Penalties on the weights
    enter with the diagonal of their own second derivative (L2 exactly); an L1 penalty with its
    gradient only.

    Each example's outputs have to depend on that example alone: the Jacobian is taken example by
    example. `BatchNormalization` that trains, and losses with terms between examples, end with the
    status "examples not independent".

    It needs `keras_dlnotes.callbacks.SecondDerivatives()` in `fit`, on every backend. On TensorFlow
    that callback has the training step run without XLA, whose singular values have six digits (in a
    loop of your own, do not compile `apply` by XLA). Each training step is one evaluation of loss
    and gradient; the Jacobian is formed at accepted points only: a rejected step is followed by a
    shorter one from the same Jacobian. See `LBFGS` for what `fit` and validation see, and
    `StopWhenConverged`.

    Args:
        gradient_tolerance: Converged when no |g_j| is larger than this times D_j times the root of
            the sum of squares: the largest cosine between the residuals and a column of the
            Jacobian, which does not depend on units. Also converged where no step is better than
            the rounding of the loss or of the weights.
        scale: `"jacobian"` for D as above; `"uniform"` for the same D_j for all weights, the root
            of the mean square of the column's lengths: often fewer steps for networks of
            standardised inputs, whose weights are of one size, and more where they are not.
        initial_radius: The first radius as a multiple of |D w| (of 1 where that is 0).
        max_size: Refuse models with more weights than this and more residuals (outputs of all
            examples) than this too: a step takes of the order of its third power.
        chunk_size: How many examples' rows of the Jacobian are held at once. By default so many
            that they hold 2^24 numbers.
        verify_determinism: Spend the second evaluation on the starting weights again, to find out
            at once whether the loss repeats itself.
        acceleration: Follow the curve of steps to the second order (geodesic acceleration): the
            first step from a Jacobian is p + a / 2, a = -(G + mu D^2)^-1 J^T (d^2 L / do^2) o'',
            o'' the second derivative of the outputs along p. It costs two evaluations of the
            outputs and a gradient at each accepted point, and takes fewer steps through long curved
            valleys: half as many and less where it was measured. Where
            2 |D a| > 0.75 |D p| the step is p.
        name: The optimizer's name.
        **kwargs: As for `LBFGS`.

    Raises:
        ValueError: For arguments out of range, and in a step: without the outputs; for more weights
            and residuals than `max_size`; with several replicas; for outputs in half precision.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.GaussNewton(), loss="mse")
    model.fit(x, y, batch_size=len(x), epochs=100, callbacks=[kd.callbacks.SecondDerivatives()])
    ```

    Reference: J. More, The Levenberg-Marquardt algorithm: implementation and theory (1978); J.
    Nocedal and S. Wright, Numerical Optimization (2006), section 10.3; N. Schraudolph, Fast
    curvature matrix-vector products for second-order gradient descent (2002); M. Transtrum and J.
    Sethna, Improvements to the Levenberg-Marquardt algorithm for nonlinear least-squares
    minimization (2012), for `acceleration`.
    """

    failure = "trust region failed"
    carried = ("problem", "muted")
    machine = levenberg_marquardt_machine
    needs_examples = True

    def __init__(
        self,
        gradient_tolerance: float = 1e-12,
        scale: Literal["jacobian", "uniform"] = "jacobian",
        initial_radius: float = 1.0,
        max_size: int = 4000,
        chunk_size: int | None = None,
        verify_determinism: bool = True,
        acceleration: bool = False,
        name: str = "gauss_newton",
        **kwargs: Any,
    ) -> None:
        if not is_real_number(gradient_tolerance):
            raise ValueError(
                "GaussNewton's `gradient_tolerance` is a cosine. Expected a number of at least 0. "
                f"Received: gradient_tolerance={gradient_tolerance!r}."
            )
        super().__init__(gradient_tolerance, verify_determinism, name, **kwargs)
        if not is_real_number(initial_radius) or not 0.0 < initial_radius < float("inf"):
            raise ValueError(
                "Expected `initial_radius` to be a finite number above 0. "
                f"Received: initial_radius={initial_radius!r}."
            )
        if not isinstance(scale, str) or scale not in SCALES:
            raise ValueError(f"Expected scale to be one of {SCALES}. Received: {scale!r}.")
        self.scale = scale
        self.initial_radius = float(initial_radius)
        if not isinstance(acceleration, bool):
            raise ValueError(
                f"Expected acceleration to be True or False. Received: {acceleration!r}."
            )
        self.acceleration = acceleration
        self.max_size = whole_number("max_size", max_size)
        self.chunk_size = chunk_size
        if chunk_size is not None:
            self.chunk_size = whole_number("chunk_size", chunk_size, unit="examples")

    def build_curvature(self, size: int, dtype: str) -> None:
        """The steps from the accepted point."""
        self._column_lengths = self.add_variable((size,), "zeros", dtype, name="column_lengths")
        self._steps = self.add_variable((_STEPS, size), "zeros", dtype, name="steps")
        self._lengths_and_promises = self.add_variable(
            (2, _STEPS), "zeros", dtype, name="lengths_and_promises"
        )

    def differentiate(
        self,
        loss_function: Callable[..., Any],
        outputs_function: Callable[..., Any],
        inputs: Any,
        elementwise: bool | list[bool] = False,
        has_penalties: bool | Callable[[], bool] = True,
    ) -> None:
        """Give the next `apply` the model's outputs and the loss in them, as functions.

        In `fit`, `keras_dlnotes.callbacks.SecondDerivatives` does it.

        Args:
            loss_function: Takes the list of weights and the list of all examples' outputs; returns
                the loss.
            outputs_function: Takes the list of weights and inputs, of all examples or of one;
                returns the list of outputs, [examples, ...].
            inputs: A tensor [examples, ...], or a structure of such.
            elementwise: Whether the loss is a sum over single numbers of an output, so that no
                second derivative mixes two of them; or a list of that, one for each output.
            has_penalties: Whether the loss depends on the weights past the outputs; or a function
                of no arguments that says so, called after the others.
        """
        self._carried.problem = LeastSquares(
            loss_function, outputs_function, inputs, elementwise, has_penalties
        )

    def scale_loss(self, loss: Any) -> Any:
        """Take note of the loss."""
        return loss if self._carried.muted else super().scale_loss(loss)

    def evaluation(self, gradient: Any, loss: Any) -> tuple[Any, ...]:
        """Gradient and loss."""
        if loss is None:
            raise ValueError(
                "GaussNewton judges each step by the loss. Expected optimizer.scale_loss(loss) in "
                f"the same step, before optimizer.apply. Received gradients only. {UNSCALED}"
            )
        if self._carried.problem is None:
            raise ValueError(
                "GaussNewton needs the model's outputs apart from the loss. In fit, add "
                "keras_dlnotes.callbacks.SecondDerivatives() to the callbacks; in a loop of your "
                "own, call optimizer.differentiate(loss_function, outputs_function, inputs) before "
                "optimizer.apply. Received neither."
            )
        if active.replicas.count() > 1:
            raise ValueError(
                "GaussNewton decomposes the Jacobian of all examples in one place. Expected one "
                f"replica. Received: {active.replicas.count()}. Use "
                "NewtonCG(curvature='gauss_newton') or LBFGS, which add up over replicas."
            )
        return gradient, loss

    def advance(
        self,
        control: levenberg_marquardt_machine.LevenbergMarquardtControl,
        points: Points,
        weights: Any,
        gradient: Any,
        loss: Any,
    ) -> tuple[Any, Points]:
        """See `SecondOrderOptimizer.advance`."""
        problem = self._carried.take("problem")
        machine = levenberg_marquardt_machine
        control, points, verdict = machine.judge(
            control, points, self._column_lengths.value, weights, gradient, loss, self._epsilon
        )
        new = machine.needs_ladder(verdict, self.verify_determinism)
        lengths, promises = xp.unstack(self._lengths_and_promises.value, 2)
        zero = control.radius * 0.0
        ladder, fresh = xp.conditional(
            new,
            lambda: self._new_ladder(problem, control, points, verdict.start),
            lambda: (
                StoredLadder(self._column_lengths.value, self._steps.value, lengths, promises),
                Fresh(*[zero for _ in Fresh._fields]),
            ),
        )
        self._column_lengths.assign(ladder.column_lengths)
        self._steps.assign(ladder.steps)
        self._lengths_and_promises.assign(xp.stack([ladder.lengths, ladder.promises]))
        control, trial_point = machine.follow(
            control, points, verdict, ladder, new, fresh, self._epsilon, self.verify_determinism
        )
        return control, points._replace(trial_point=trial_point)

    def _new_ladder(
        self,
        problem: LeastSquares,
        control: levenberg_marquardt_machine.LevenbergMarquardtControl,
        points: Points,
        start: Any,
    ) -> tuple[StoredLadder, Fresh]:
        """The steps from the weights, which are the accepted point."""
        unit, gradient = control.unit, points.accepted_gradient
        problem = self._muted(problem)
        factor = gauss_newton_factor.form(
            problem,
            self._weights,
            gradient * unit,
            self._dtype,
            self._epsilon,
            self.chunk_size,
            self.max_size,
        )
        root = xp.square_root(unit)
        matrix, target, rest = factor.matrix / root, factor.target / root, factor.rest / unit
        usable = xp.is_finite(xp.dot(target, target))
        own = levenberg_marquardt.column_lengths(matrix)
        usable = usable & xp.is_finite(xp.largest_magnitude(own))
        # A decomposition of what is not finite may raise or not end: no step follows from it.
        matrix = xp.where(usable, matrix, xp.zeros_like(matrix))
        target = xp.where(usable, target, xp.zeros_like(target))
        before = self._column_lengths.value
        known = xp.where(start, before * 0.0, before)
        own = xp.where(usable, own, known)
        column_lengths = xp.maximum(own, known)
        if self.scale == "uniform":
            mean_square = xp.dot(own, own) / float(self._size)
            column_lengths = xp.zeros_like(own) + xp.square_root(mean_square)
        scale = levenberg_marquardt.scale_of(column_lengths)
        model = levenberg_marquardt.decompose(matrix, target, rest, scale, self._epsilon)
        point = points.accepted_point
        first = levenberg_marquardt_machine.first_radius(point, column_lengths, self.initial_radius)
        # Without a start before, there is no radius yet.
        begins = start | (control.radius <= 0.0)
        radius = xp.where(begins, first, control.radius)
        found = levenberg_marquardt.ladder(model, radius, _STEPS, self._epsilon)
        if self.acceleration:
            bend = gauss_newton_factor.bend(
                problem, self._weights, factor, found.steps[0], self._dtype
            )
            found = levenberg_marquardt.accelerated(model, found, bend / unit, self._epsilon)
        radius = xp.where(begins, xp.minimum(radius, xp.scalar(found.lengths[0])), radius)
        size = xp.square_root(xp.dot(target, target))
        steep = xp.largest_magnitude(gradient / scale) > self.gradient_tolerance * size
        fresh = Fresh(
            radius=radius,
            full_promise=0.5 * xp.dot(model.target, model.target),
            full_length=levenberg_marquardt.full_length(model),
            scaled_norm=levenberg_marquardt_machine.scaled_norm(gradient, column_lengths),
            flat=1.0 - xp.cast(steep, self._dtype),
            coupled=xp.cast(factor.coupled, self._dtype),
        )
        return StoredLadder(column_lengths, found.steps, found.lengths, found.promises), fresh

    def _muted(self, problem: LeastSquares) -> LeastSquares:
        """The problem in the weights moved, which may call scale_loss without leaving a note."""

        def quiet(function: Any) -> Any:
            def muted(moved: Any, argument: Any) -> Any:
                every = flat_weights.complete(moved, internals.optimized_variables.of(self))
                self._carried.muted = True
                try:
                    return function(every, argument)
                finally:
                    self._carried.muted = None

            return muted

        return problem._replace(loss=quiet(problem.loss), outputs=quiet(problem.outputs))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this optimizer again."""
        return {
            "scale": self.scale,
            "initial_radius": self.initial_radius,
            "acceleration": self.acceleration,
            "max_size": self.max_size,
            "chunk_size": self.chunk_size,
            **super().get_config(),
        }
