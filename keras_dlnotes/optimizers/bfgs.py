"""BFGS and its self-scaled relatives: quasi-Newton steps from a dense inverse Hessian."""

import os
from typing import Any, Literal

import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import inverse_hessian
from keras_dlnotes.numerics.quasi_newton_step import CurvaturePair
from keras_dlnotes.optimizers.quasi_newton import QuasiNewton

xp = active.arrays


def start_scale(size: int) -> float:
    """How many times what the first pair suggests H starts as, for `size` weights.

    BFGS reduces in one update what is too large in H, and the search shortens the step meanwhile,
    but it needs many to raise what is too small: the more, the more directions there are. Networks
    of a hundred weights and more, and a quadratic of 100 variables with a condition number of
    10000, need 400. With few weights 1 takes the fewest evaluations.
    """
    return min(400.0, max(1.0, 400.0 * (size / 100.0) ** 4))


@registered("BFGS")
class BFGS(QuasiNewton):
    """BFGS with a dense inverse Hessian: the fewest evaluations a quasi-Newton method can do with.

    When to use it: up to a few thousand weights, full batch, when the last digits matter:
    physics-informed networks, curve fitting. Everything else about it is as in `LBFGS`.
    `update="ssbroyden"` has reached errors several orders of magnitude below L-BFGS's on
    physics-informed networks.

    Formula, w, g, s = w_new - w and y = g_new - g of shape [n], H [n, n]:

        w = w + a p,    p = -H g
        H = (H - (H y)(H y)^T / y^T H y + phi (y^T H y) v v^T) / tau + s s^T / y^T s
        v = s / y^T s - H y / y^T H y

    BFGS itself is tau = phi = 1; `"ssbfgs"` scales by tau = min(1, 1 / b) with
    b = s^T H^-1 s / y^T s; `"ssbroyden"` chooses both by Al-Baali's rules
    (`keras_dlnotes.numerics.inverse_hessian`). After the first step, which is one of steepest
    descent, H starts as c (s^T y / y^T y) I with c = 400 (n / 100)^4 between 1 and 400, whatever
    the loss is measured in. For "bfgs", the first n updates multiply H by max(1, s^T y / y^T H y)
    before they change it (S. Oren and D. Luenberger, Management Science 20 (1974)).
    The step size a is found by the line search of `LBFGS`.

    Args:
        update: `"bfgs"`, `"ssbfgs"` (self-scaled BFGS) or `"ssbroyden"` (self-scaled Broyden).
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
        name: The optimizer's name.
        **kwargs: As for `LBFGS`.

    Raises:
        ValueError: For an unknown update, an argument that would falsify the line search, or a
            constrained variable.
        MemoryError: When building, if the matrix would not fit into this machine's memory.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.BFGS(update="ssbroyden"), loss="mse")
    model.fit(x, y, batch_size=len(x), epochs=2000, callbacks=[kd.callbacks.StopWhenConverged()])
    ```

    Reference: J. Nocedal and S. Wright, Numerical Optimization, 2nd edition, algorithm 6.1; J. F.
    Urbán, P. Stefanou and J. A. Pons, J. Comput. Phys. 523 (2025) 113656, for the scaled updates.
    """

    def __init__(
        self,
        update: Literal["bfgs", "ssbfgs", "ssbroyden"] = "bfgs",
        gradient_tolerance: float | None = None,
        sufficient_decrease: float = 1e-4,
        curvature: float = 0.9,
        max_search_evaluations: int = 20,
        verify_determinism: bool = True,
        name: str = "bfgs",
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
        if update not in inverse_hessian.KINDS:
            raise ValueError(
                f"Expected update to be one of {', '.join(map(repr, inverse_hessian.KINDS))}. "
                f"Received: {update!r}."
            )
        self.update = update

    def build_curvature(self, size: int, dtype: str) -> None:
        """The inverse Hessian, if it fits."""
        # The old matrix, the new one, and one more in between.
        needed = 3 * size**2 * np.dtype(dtype).itemsize
        memory = physical_memory()
        if needed > memory:
            raise MemoryError(
                f"BFGS keeps a dense {size} x {size} matrix and needs {needed / 1e9:.1f} GB for an "
                f"update of it; this machine has {memory / 1e9:.1f} GB. Use "
                "keras_dlnotes.optimizers.LBFGS, whose memory grows linearly with the weights."
            )
        self._inverse_hessian = self.add_variable(
            (size, size), "zeros", dtype, name="inverse_hessian"
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
        """See `QuasiNewton.descend`; the formulas are in `numerics.inverse_hessian`."""
        old = self._inverse_hessian.value

        def take_in() -> Any:
            s, y = pair.step_change, pair.gradient_change
            scale = start_scale(gradient.shape[0]) * xp.dot(s, y) / xp.dot(y, y)
            start = xp.conditional(
                stored < 1.5,
                lambda: scale * inverse_hessian.identity_like(gradient),
                lambda: old,
            )
            if self.update == "bfgs":
                start = inverse_hessian.raised(start, y, xp.dot(s, y), stored)
            # s^T H^-1 s = -alpha s^T g, but for steps whose direction is not -H g: the first one,
            # where H is a multiple of 1, and others, where b = 1 claims nothing.
            along = pair.step_size * xp.dot(s, gradient - y)
            along = xp.where(pair.by_method, along, -xp.dot(s, y))
            along = xp.where(stored < 1.5, -xp.dot(s, s) / scale, along)
            return inverse_hessian.update(start, s, y, along, self.update)

        new = xp.conditional(keep_pair, take_in, lambda: old)
        self._inverse_hessian.assign(new)
        return xp.conditional(
            begins, lambda: -xp.matrix_vector(new, gradient), lambda: gradient * 0.0
        )

    def first_step(self, slope: Any, change: Any) -> Any:
        """The step that would gain as much as the last one did, at most 1 (as SciPy's BFGS).

        A matrix that started larger than the first pair suggests makes steps too long at first.
        """
        if start_scale(self._size) == 1.0:
            return super().first_step(slope, change)
        guess = 2.02 * change / slope
        return xp.where((guess > 0.0) & (guess < 1.0), guess, slope * 0.0 + 1.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this optimizer again."""
        return {"update": self.update, **super().get_config()}


def physical_memory() -> float:
    """This machine's memory in bytes; infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return float("inf")
