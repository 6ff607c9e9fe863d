"""`check_gradients` and its form as an assertion."""

import contextlib
import dataclasses
import functools
import sys
import time
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.gradient_scopes import always_recording
from keras_dlnotes.backend.own_random_numbers import OwnRandomNumbers
from keras_dlnotes.backend.private_names import PrivateNameError
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.gradient_check.faulty_layers import faulty_layers, notes_on
from keras_dlnotes.gradient_check.functional_form import FunctionalForm
from keras_dlnotes.gradient_check.part_check import PartCheck
from keras_dlnotes.gradient_check.precision import computing_in
from keras_dlnotes.gradient_check.report import GradientReport, GradientRow, one_line
from keras_dlnotes.gradient_check.subject import (
    build,
    check_counts,
    checked_subject,
    parts_with_policies,
    text_explained,
)
from keras_dlnotes.numerics.gradient_verdict import FAILED, PASSED

# Data made by `default_rng(0)` are not to be the projection that is made from seed 0: a gradient
# x^T r would be symmetric, and pass when transposed.
_OWN_NUMBERS = 20170807
_SECONDS_BEFORE = 1.0  # until the progress bar appears
# What can be checked: a model, a layer, a loss or its name, or a function of arrays.
Subject: TypeAlias = keras.Layer | keras.Loss | str | Callable[..., Any]


def check_gradients(
    subject: Subject,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    training: bool | None = True,
    inputs: bool | None = None,
    second_order: bool = False,
    directions: int | None = None,
    every_coordinate: bool = False,
    seed: int = 0,
    verbose: int | Literal["auto"] = "auto",
) -> GradientReport:
    r"""Compares the gradients of a model, layer, loss or function with differences of its values.

    Use it for whatever has a gradient that somebody wrote: a custom layer, loss, regularizer or
    `keras.ops.custom_gradient`; or to see whether a network trains on the gradient it should.

    Formula: for a loss J, weights \(\theta\) and a direction d,

    \(n = \frac{J(\theta + \epsilon d) - J(\theta - \epsilon d)}{2 \epsilon}\) against
    \(a = \nabla J(\theta)^T d\)

    First d is random over each variable (two evaluations); where the derivatives of a variable
    differ by orders of magnitude, along another d small ones count as much as large ones. Where a
    and n differ, the step is swept
    and extrapolated, so that n has an error estimate; where they still differ, single coordinates
    are compared: all of a small variable, of a large one a sample and those to which halving leads.
    A gradient fails if |a - n| exceeds 3 times the error estimate and 2.4e-7 max(|a|, |n|).
    Where a kink (of a ReLU, a maximum) lies too near to tell, it is inconclusive, unless it is
    wrong at a point nearby as well.

    Everything is computed in float64 whatever the dtype policy, with each random draw fixed and
    moving averages frozen; what a layer casts by `keras.ops.cast` to half precision on the way is
    cast to float64. What insists on float32 is judged by the noise that its loss has.
    Nothing of the subject changes: weights, state and seeds are bit for bit what they were.

    For a model compiled with a loss, J is that loss; its penalties are checked apart. For one with
    a `compute_loss` or `train_step` of its own, J is what these compute. For any other layer or
    model, J is the mean squared error of all outputs if there are targets, else, as for a function,
    a random projection of all outputs.

    Where a model's gradients are wrong, each layer of the user's own is also checked alone, on the
    inputs that it has in the model, so that the report names the layer.

    Where every derivative by a variable is 0, here and at points nearby, a wrong rule would not
    show: the variable is inconclusive, and a check in which all are has not passed.

    Args:
        subject: a model, a layer, a loss (or its name), or a function of arrays.
        x: the inputs; a tuple for several arguments; for a loss, the predictions.
        y: the targets, for a model with a loss, for a loss, and for a layer if you like.
        sample_weight: weights of the examples, as in `fit`.
        training: mode in which layers are called: True, False, or None for their default.
        inputs: whether the gradient by the floating-point inputs is checked too; None for yes,
            except for models.
        second_order: whether the second derivatives, as Hessian-vector products, are checked too.
        directions: number of random directions over each variable; None for one, and a second if
            anywhere the first agrees no better than to a thirtieth of what is allowed.
        every_coordinate: compare each single coordinate, which takes long.
        seed: of directions and projections.
        verbose: 1 for a progress line where it takes longer than a second, 0 for none, "auto" for
            one in a terminal or notebook.

    Returns:
        A `GradientReport`: `passed`, `failures`, `rows`; printed, it is a table.

    Raises:
        TypeError: if `subject` is none of these.
        ValueError: if there is nothing to differentiate, targets are missing or of another shape
            than the outputs, the loss within `train_step` cannot be found, or another argument is
            not as described.

    Example:
    ```python
    report = kd.check_gradients(model, x, y)
    print(report)
    for failure in report.failures:
        print(failure.path, failure.cause)
    ```

    Reference: deep-learning notes, "Gradient Checking"; Moré and Wild, "Estimating derivatives of
    noisy simulations", ACM Trans. Math. Softw. 38, 2012, for the step and the noise.
    """
    start = time.perf_counter()
    batch = {"x": x, "y": y, "sample_weight": sample_weight}
    subject = checked_subject(subject, batch)
    check_counts(directions, seed)
    is_model = isinstance(subject, keras.Model)
    progress = EvaluationBar(verbose)
    options: dict[str, Any] = {
        "subject": subject,
        "batch": batch,
        "training": training,
        "with_inputs": not is_model if inputs is None else inputs,
        "seed": (_OWN_NUMBERS, seed),
        "random_numbers": OwnRandomNumbers(),
    }
    settings = (directions, every_coordinate, second_order)
    with text_explained(batch):
        build(subject, batch)  # with weights of its own draw, so not within the next scope
    with text_explained(batch), options["random_numbers"].scope():
        try:
            report = _check("float64", options, settings, progress)
        except PrivateNameError:
            raise  # float64 is not what it lacks
        except Exception as error:
            try:  # something in it may insist on float32
                report = _check("float32", options, settings, progress)
            except Exception:
                raise error from None
            report.notes.insert(0, f"does not compute in float64 ({one_line(error)})")
    if report.failures and isinstance(subject, keras.Layer):
        alone = functools.partial(
            check_gradients, training=training, inputs=True, seed=seed, verbose=0
        )
        found = faulty_layers(subject, x, training, alone)
        notes = [*report.notes, *notes_on(found)]
        report = dataclasses.replace(report, notes=notes, faulty_layers=list(found))
    progress.close()
    return dataclasses.replace(report, seconds=time.perf_counter() - start)


def assert_gradients(
    subject: Subject, x: Any, y: Any = None, sample_weight: Any = None, **options: Any
) -> GradientReport:
    """`check_gradients` as a test: raises an AssertionError with the table unless it passed.

    Use it in the tests of a custom layer or loss, where it is one line.

    Args:
        subject: see `check_gradients`, as for all arguments.
        x: the inputs.
        y: the targets.
        sample_weight: weights of the examples.
        **options: see `check_gradients`.

    Returns:
        The `GradientReport`.

    Raises:
        AssertionError: if a gradient is wrong, or nothing was tested as every derivative is 0.

    Example:
    ```python
    def test_gradients():
        kd.assert_gradients(MyLayer(4), np.random.normal(size=(2, 3)))
    ```
    """
    return check_gradients(subject, x, y, sample_weight, **options).raise_if_failed()


class EvaluationBar:
    """Keras's own progress bar, counting the losses evaluated; silent in the first second.

    How many will be needed is not known: a check goes into detail only where it finds a fault.

    Args:
        verbose: 0 for never, 1 for always, "auto" for a terminal or a notebook only.
    """

    def __init__(self, verbose: int | Literal["auto"]) -> None:
        interactive = sys.stdout.isatty() or hasattr(sys, "ps1") or "ipykernel" in sys.modules
        self._shown = bool(verbose) if verbose != "auto" else interactive
        self._start = time.perf_counter()
        self._count = 0
        self._bar: Any = None

    def advance(self, count: int) -> None:
        """Counts evaluations."""
        self._count += count
        if self._shown and time.perf_counter() - self._start >= _SECONDS_BEFORE:
            if self._bar is None:
                self._bar = keras.utils.Progbar(None, unit_name="loss")
            self._bar.update(self._count)

    def close(self) -> None:
        """Ends the line."""
        if self._bar is not None:
            self._bar.update(self._count, finalize=True)


def _check(
    dtype: str,
    options: dict[str, Any],
    settings: tuple[int | None, bool, bool],
    progress: EvaluationBar,
) -> GradientReport:
    directions, every_coordinate, second_order = settings
    subject = options["subject"]
    layers, losses, compile_loss = parts_with_policies(subject)
    with contextlib.ExitStack() as stack:
        stack.enter_context(always_recording())
        stack.enter_context(computing_in(dtype, layers, losses))
        if compile_loss is not None:
            # A loss builds itself when it is called first; the model's own stays as it is.
            compile_loss = type(compile_loss)(
                internals.user_loss.of(compile_loss),
                internals.user_loss_weights.of(compile_loss),
                output_names=compile_loss.output_names,
            )
            name = internals.compile_loss.name_on(subject)
            stack.enter_context(patched([(subject, name, compile_loss)]))
        form = FunctionalForm(dtype=dtype, compile_loss=compile_loss, **options)
        if not form.targets:
            raise ValueError(
                "Expected something whose gradient can be checked: trainable floating-point "
                "weights, or inputs with `inputs=True`. Received: "
                f"{getattr(subject, 'name', subject)!r}, where all is frozen or integer: "
                f"{form.skipped or 'it has no weights'}."
            )
        tensors = form.tensors()
        form.trace(tensors)
        parts = dict(form.parts)
        if second_order:
            parts["second order"] = _slope(form, tensors, options["seed"])
        rows, notes, checks = [], list(form.remarks), []
        if form.narrow_layers:
            notes.append(f"does not compute in {dtype}: {', '.join(form.narrow_layers)}")
        if form.half_casts:
            narrow = " and ".join(sorted(form.half_casts))
            notes.append(f"casts to {narrow} on the way, which the check took for {dtype}")
        for name, function in parts.items():
            check = PartCheck(
                name, function, form, tensors, directions, every_coordinate, progress.advance
            )
            rows += check.run()
            notes += check.notes
            checks.append(check)
    return GradientReport(
        rows=_told_apart(rows),
        skipped=form.skipped,
        notes=notes,
        precision=dtype,
        noise=checks[0].noise,
        evaluations=sum(check.losses.evaluations for check in checks),
    )


def _told_apart(rows: list[GradientRow]) -> list[GradientRow]:
    """Says where only the penalty's gradient is wrong and that of the data loss is right."""
    right = {row.path for row in rows if row.part == "loss" and row.verdict == PASSED}
    return [
        dataclasses.replace(row, cause=f"{row.cause}; regularisation only: the data loss is right")
        if row.part == "penalty" and row.verdict == FAILED and row.path in right
        else row
        for row in rows
    ]


def _slope(form: FunctionalForm, tensors: Any, seed: tuple[int, int]) -> Callable[..., Any]:
    """<gradient, v>: its gradient is the Hessian times v."""
    rng = np.random.default_rng((*seed, 2))
    vectors = [
        active.scalar_functions.constant(rng.normal(size=t.value.shape).astype(t.value.dtype))
        for t in form.targets
    ]
    return active.scalar_functions.slope_function(form.parts["loss"], vectors)
