"""Newton's method: the exact Hessian, in a trust region."""

from typing import Any

from keras_dlnotes.backend import active
from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import loss_scale, phases, trust_region, trust_region_machine
from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.numerics.phases import NewtonPhase, Phase, Points
from keras_dlnotes.optimizers.trust_region import TrustRegion

xp = active.arrays

# So many rejected steps in turn are the sign of a loss that may not repeat itself.
DOUBTFUL = 2.0


@registered("Newton")
class Newton(TrustRegion):
    """Newton's method with the exact Hessian, safe far from the minimum and at saddles.

    When to use it: up to a few hundred weights, full batch, and the minimum wanted to the last
    digit in a handful of steps. For more weights, `NewtonCG` or `LBFGS`.

    Formula, w and g of shape [n], H = d^2 L / dw^2 of shape [n, n]:

        w = w - (H + mu D^2)^-1 g

    with mu = 0 where H is positive definite and the model of the loss can be trusted that far
    (then it is the notes' w = w - H^-1 g, and a quadratic is solved in one step), and else the
    smallest mu that makes H + mu D^2 positive definite and the step no longer than the radius of
    the trust region |D p| <= radius. The diagonal D is 1 but for weights whose curvature beside the
    others' is only some thousand times the rounding of the dtype
    (`keras_dlnotes.numerics.trust_region.decompose`): inputs need not be scaled. The radius follows
    from how well the model foretold the last loss. Along negative curvature the step goes to the
    region's edge, which leaves saddles behind.

    Converged it also is where no step promises more than the rounding of the loss and the gradient
    does not get smaller: at a minimum that the dtype does not tell better.

    Each training step is one evaluation of loss, gradient and Hessian, at the accepted point or at
    a trial point; see `LBFGS` for what `fit` and validation see, and `StopWhenConverged`. On
    TensorFlow compile the model with `jit_compile=False`: XLA has no vectorised Hessian (above 64
    weights that is an error) and finds eigenvectors to six digits only. On JAX, add
    `keras_dlnotes.callbacks.SecondDerivatives()` to the callbacks of `fit`.

    Args:
        gradient_tolerance: Converged when no component of the gradient is larger than this, in the
            unit of the loss, and the Hessian has no negative eigenvalue. None: converged when the
            next step promises a decrease that does not count, whatever L and w are measured in, see
            `keras_dlnotes.callbacks.StopWhenConverged`.
        max_weights: Refuse models with more weights than this: the Hessian has n^2 numbers, and a
            step takes n^3 operations.
        verify_determinism: Evaluate the accepted point once more after two rejected steps in turn,
            to find out whether the loss repeats itself.
        name: The optimizer's name.
        **kwargs: As for `LBFGS`.

    Raises:
        ValueError: When building, for a model with more than `max_weights` weights; in a step, if
            the second derivatives cannot be had.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.Newton(), loss="mse", jit_compile=False)
    model.fit(x, y, batch_size=len(x), epochs=20, callbacks=[kd.callbacks.SecondDerivatives()])
    ```

    Reference: J. Nocedal and S. Wright, Numerical Optimization (2006), algorithms 4.1 and 4.3.
    """

    phases = NewtonPhase

    def __init__(
        self,
        gradient_tolerance: float | None = None,
        max_weights: int = 2000,
        verify_determinism: bool = True,
        name: str = "newton",
        **kwargs: Any,
    ) -> None:
        super().__init__(gradient_tolerance, verify_determinism, name, **kwargs)
        self.max_weights = whole_number("max_weights", max_weights, unit="weights")

    def build_curvature(self, size: int, dtype: str) -> None:
        """The Hessian's eigenvalues and eigenvectors at the accepted point."""
        if size > self.max_weights:
            raise ValueError(
                f"Newton forms and decomposes the {size} x {size} Hessian. Expected at most "
                f"max_weights={self.max_weights} weights. Received: {size}. Use "
                "keras_dlnotes.optimizers.NewtonCG, which needs only products with the Hessian, "
                "or LBFGS; or raise max_weights."
            )
        self._eigenvalues = self.add_variable((size,), "zeros", dtype, name="eigenvalues")
        self._eigenvectors = self.add_variable((size, size), "zeros", dtype, name="eigenvectors")

    def second_derivative(self, loss: Any) -> Any:
        """The Hessian [n, n]."""
        return active.derivatives.hessian(loss, self._weights)

    def step(
        self,
        control: trust_region_machine.TrustRegionControl,
        points: Points,
        verdict: trust_region_machine.TrustRegionVerdict,
        second: Any,
    ) -> trust_region_machine.Proposal:
        """See `TrustRegion.step`."""
        c = control
        point, gradient = points.accepted_point, points.accepted_gradient

        eigenvalues, eigenvectors = xp.conditional(
            verdict.take,
            lambda: trust_region.decompose(second, self._epsilon),
            lambda: (self._eigenvalues.value, self._eigenvectors.value),
        )
        self._eigenvalues.assign(eigenvalues)
        self._eigenvectors.assign(eigenvectors)
        projected = xp.vector_matrix(gradient, eigenvectors)
        largest = xp.largest_magnitude(eigenvalues)
        convex = xp.scalar(eigenvalues[0]) > 10.0 * self._epsilon * largest
        # Trust the model as far as its own minimum to begin with, if it has one.
        whole = projected / xp.where(convex, eigenvalues, eigenvalues * 0.0 + 1.0)
        whole = 1.001 * xp.square_root(xp.dot(whole, whole))
        steepness = xp.square_root(xp.dot(gradient, gradient))
        known = convex & (whole > 0.0) & xp.is_finite(whole)
        first = xp.where(known, whole, loss_scale.first_length(c.loss, steepness, point))
        radius = xp.where(verdict.start, first, c.radius)
        step = trust_region.solve(eigenvalues, projected, radius, self._epsilon)

        if self.gradient_tolerance is None:
            small = loss_scale.promises_nothing(step.reduction, step.length, c, self._epsilon)
            small = small & (step.length < 0.999 * radius)
        else:
            small = c.gradient_norm * c.unit <= self.gradient_tolerance
        flat = small & (
            # Keras takes some products in float32 even where everything else is float64.
            xp.scalar(eigenvalues[0]) >= -max(self._epsilon**0.5, 1e-6) * largest
        )
        change = xp.matrix_vector(eigenvectors, step.coordinates)
        size = xp.largest_magnitude(point) + self._epsilon
        lost = verdict.rejected & (xp.largest_magnitude(change) <= self._epsilon * size)
        due = c._replace(phase=verdict.purpose)
        goes_on = verdict.again & phases.is_phase(due, NewtonPhase.VERIFY, Phase.SEARCH)
        goes_on = goes_on | (verdict.start & verdict.take)
        doubtful = verdict.rejected & (c.rejections >= DOUBTFUL) & (c.verified < 0.5)
        if not self.verify_determinism:
            doubtful = doubtful & xp.logical_not(doubtful)
        return trust_region_machine.Proposal(
            change=change,
            length=step.length,
            promise=step.reduction,
            radius=radius,
            products=c.products,
            transitions=((goes_on, Phase.SEARCH), (doubtful, NewtonPhase.VERIFY)),
            lost=lost,
            flat=flat,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this optimizer again."""
        return {"max_weights": self.max_weights, **super().get_config()}
