"""Newton's method without the Hessian: conjugate gradients, one product a training step."""

from typing import Any, Literal

from keras_dlnotes.backend import active
from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import loss_scale, steihaug, trust_region_machine
from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.numerics.phases import NewtonCGPhase, Phase, Points
from keras_dlnotes.optimizers import flat_weights
from keras_dlnotes.optimizers.trust_region import TrustRegion

xp = active.arrays
CURVATURES = ("hessian", "gauss_newton")


@registered("NewtonCG")
class NewtonCG(TrustRegion):
    """Hessian-free Newton: second-order steps with memory linear in the weights.

    When to use it: too many weights for `Newton`, full batch, and curvature that matters: badly
    conditioned or non-convex losses where L-BFGS crawls. Negative curvature is followed to the edge
    of the trust region instead of being damped away; `curvature="gauss_newton"` has none to begin
    with, and is the better model far from the minimum of a sum of squares or a cross-entropy.

    Formula, w, g, p of shape [n]:

        w = w + p,   p = argmin g^T p + p^T H p / 2  over |p| <= radius, approximately

    by Steihaug's truncated conjugate gradients, which need H only in products with vectors
    (`hessian_vector_product`, two more passes through the network, never a matrix), and stop when
    the residual is below min(1/2, 0.3 sqrt(|g| / |g before the last step|)) |g|, at the edge of the
    region, or at negative curvature. The ratio, and with it everything else, does not depend on
    what the loss is measured in (S. Eisenstat and H. Walker, SIAM J. Sci. Comput. 17 (1996)).

    With o(w) the model's outputs, J = do/dw, `curvature="gauss_newton"` puts

        G = J^T (d^2 L / do^2) J + d^2 (penalties) / dw^2

    in the place of H: positive semidefinite where L is convex in o. The outputs are told apart from
    the loss by `keras_dlnotes.callbacks.SecondDerivatives()`, which it needs on every backend.

    Each training step is one evaluation of loss and gradient with one product: `products` of them
    at the accepted point make a trial step, and one at the trial point judges it. It ends as
    `Newton` does at a minimum that the dtype does not tell better. On JAX, add
    `keras_dlnotes.callbacks.SecondDerivatives()` to the callbacks of `fit`.

    Args:
        curvature: `"hessian"` or `"gauss_newton"`.
        max_products: Hessian-vector products for one step at most; fewer cost more of them in all
            where the Hessian is badly conditioned.
        gradient_tolerance: Converged when no component of the gradient is larger than this, in the
            unit of the loss. None: converged when the next step promises a decrease that does
            not count, whatever L and w are measured in, see
            `keras_dlnotes.callbacks.StopWhenConverged`.
        name: The optimizer's name.
        **kwargs: As for `LBFGS`.

    Raises:
        ValueError: For an unknown `curvature`; in a step, if the second derivatives cannot be had.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.NewtonCG(), loss="mse")
    model.fit(x, y, batch_size=len(x), epochs=500, callbacks=[kd.callbacks.SecondDerivatives()])
    ```

    Reference: J. Nocedal and S. Wright, Numerical Optimization (2006), algorithms 4.1 and 7.2;
    J. Martens, Deep learning via Hessian-free optimization (2010), for at most 250 products;
    N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent (2002).
    """

    phases = NewtonCGPhase

    def __init__(
        self,
        curvature: Literal["hessian", "gauss_newton"] = "hessian",
        max_products: int = 250,
        gradient_tolerance: float | None = None,
        name: str = "newton_cg",
        **kwargs: Any,
    ) -> None:
        # Every product is formed at the accepted point once more: the loss is verified for free.
        super().__init__(gradient_tolerance, True, name, **kwargs)
        if curvature not in CURVATURES:
            raise ValueError(
                f"Expected curvature to be one of {CURVATURES}. Received: {curvature!r}."
            )
        self.curvature = curvature
        self.max_products = whole_number("max_products", max_products)

    @property
    def needs_outputs(self) -> bool:
        """See `TrustRegion.needs_outputs`."""
        return self.curvature == "gauss_newton"

    def build_curvature(self, size: int, dtype: str) -> None:
        """The state of the inner iteration."""
        self._inner = [
            self.add_variable((size,), "zeros", dtype, name=name)
            for name in ("inner_iterate", "inner_residual", "inner_direction")
        ]

    def second_derivative(self, loss: Any) -> Any:
        """The product H d or G d with the inner iteration's direction, [n]."""
        variables = self._weights
        vectors = flat_weights.split(self._inner[2].value, variables)
        return flat_weights.join(
            active.derivatives.hessian_vector_product(self.curved_loss(loss), variables, vectors),
            self._dtype,
        )

    def step(
        self,
        control: trust_region_machine.TrustRegionControl,
        points: Points,
        verdict: trust_region_machine.TrustRegionVerdict,
        second: Any,
    ) -> trust_region_machine.Proposal:
        """See `TrustRegion.step`."""
        c, one, no = control, control.radius * 0.0 + 1.0, xp.logical_not
        point, at_point = points.accepted_point, points.accepted_gradient
        size = xp.square_root(xp.dot(point, point))
        norm = xp.square_root(xp.dot(at_point, at_point))
        first = loss_scale.first_length(c.loss, norm, point)
        radius = xp.where(verdict.start, xp.maximum(first, size), c.radius)

        state = steihaug.State(*[v.value for v in self._inner])
        known = c.gradient_ratio > 0.0
        forcing = 0.3 * xp.square_root(xp.where(known, c.gradient_ratio, one))
        tolerance = norm * xp.minimum(0.5 * one, forcing)
        further, final = steihaug.advance(state, second, radius, tolerance)
        going_on = verdict.again & (verdict.purpose == float(NewtonCGPhase.MULTIPLY))
        # A new accepted point, or a smaller ball: the inner iteration starts over.
        anew = verdict.take | verdict.rejected
        products = xp.where(going_on, c.products + 1.0, c.products)
        products = xp.where(anew, products * 0.0, products)
        final = going_on & (final | (products >= float(self.max_products)))
        fresh = steihaug.start(at_point)
        state = steihaug.State(
            *[
                xp.where(anew, new, xp.where(going_on, later, old))
                for new, later, old in zip(fresh, further, state, strict=True)
            ]
        )
        for variable, value in zip(self._inner, state, strict=True):
            variable.assign(value)

        promise = steihaug.reduction(state, at_point)
        lost = (verdict.rejected & (radius <= self._epsilon * (size + self._epsilon))) | (
            final & no(promise > 0.0)
        )
        if self.gradient_tolerance is None:
            # What the next step promises: less by the square of the gradients' ratio where all
            # eigenvalues are of one size, and by less than that where they are not.
            # The ratio is a guess where the Hessian is badly conditioned: a hundredth is asked for.
            expected = 100.0 * c.promise * c.gradient_ratio
            length = c.step_length * c.gradient_ratio
            flat = known & loss_scale.promises_nothing(expected, length, c, self._epsilon)
            # At the edge of the region the model has more to promise.
            flat = (flat & (c.step_length < 0.45 * radius)) | (c.gradient_norm == 0.0)
        else:
            flat = c.gradient_norm * c.unit <= self.gradient_tolerance
        length = xp.square_root(xp.dot(state.iterate, state.iterate))
        return trust_region_machine.Proposal(
            change=state.iterate,
            length=xp.where(final, length, c.step_length),
            promise=xp.where(final, promise, c.promise),
            radius=radius,
            products=products,
            transitions=((anew, NewtonCGPhase.MULTIPLY), (final, Phase.SEARCH)),
            lost=lost,
            flat=flat,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this optimizer again."""
        config = {
            "curvature": self.curvature,
            "max_products": self.max_products,
            **super().get_config(),
        }
        del config["verify_determinism"]
        return config
