"""L-BFGS: quasi-Newton steps from the last few gradients, memory linear in the weights."""

from keras_dlnotes.backend import active
from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import lbfgs_direction
from keras_dlnotes.numerics.number_arguments import whole_number
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

    Args:
        memory_size: How many pairs (s, y) to remember; 2 * memory_size * n numbers.
        gradient_tolerance: Converged when no component of the gradient is larger than this, in the
            unit of the loss. None: converged when the next step promises a decrease of at most
            0.1 epsilon (|L| + F), with the dtype's rounding unit epsilon and F = 3/4 F + the last
            step's decrease, whatever L and w are measured in; at a start, when no component is
            larger than epsilon^(2/3) |L|.
        sufficient_decrease: c1 of the Wolfe conditions.
        curvature: c2 of the Wolfe conditions.
        max_search_evaluations: Evaluations in one line search before its best point is taken.
        verify_determinism: Spend the second evaluation on the starting weights again, to find out
            at once whether the loss repeats itself.
        name: The optimizer's name.
        **kwargs: `loss_scale_factor` is folded in. Keras's other optimizer arguments (clipping,
            weight decay, averaging, accumulation, a learning rate) are refused with the reason.

    Raises:
        ValueError: For an argument that would falsify the line search, or a constrained variable.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.LBFGS(), loss="mse")
    model.fit(x, y, batch_size=len(x), epochs=200)
    print(model.optimizer.status, model.optimizer.progress)
    ```

    Reference: J. Nocedal and S. Wright, Numerical Optimization, 2nd edition, algorithm 7.5; J. J.
    Moré and D. J. Thuente, ACM TOMS 20 (1994), for the line search.
    """

    def __init__(
        self,
        memory_size=10,
        gradient_tolerance=None,
        sufficient_decrease=1e-4,
        curvature=0.9,
        max_search_evaluations=20,
        verify_determinism=True,
        name="lbfgs",
        **kwargs,
    ):
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

    def build_curvature(self, size, dtype):
        """The ring of the last `memory_size` pairs and the inner products among them."""
        m = self.memory_size
        self._history = self.add_variable((2 * m, size), "zeros", dtype, name="history")
        self._steps_changes = self.add_variable((m, m), "zeros", dtype, name="steps_changes")
        self._changes_changes = self.add_variable((m, m), "zeros", dtype, name="changes_changes")

    def descend(self, gradient, pair, keep_pair, stored, begins):
        """See `QuasiNewton.descend`; the formulas are in `numerics.lbfgs_direction`."""
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

        def take_in():
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

        def direction():
            scaling = xp.entry(steps_changes, slot) / xp.entry(changes_changes, slot)
            return lbfgs_direction.direction(
                history, steps_changes, changes_changes, gradient, scaling, count, m
            )

        return xp.conditional(begins, direction, lambda: gradient * 0.0)

    def get_config(self):
        """The arguments that make this optimizer again."""
        return {"memory_size": self.memory_size, **super().get_config()}
