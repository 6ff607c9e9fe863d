"""`check_gradients` and its form as an assertion."""

import contextlib
import random
import time

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.gradient_check.objective import Objective
from keras_dlnotes.gradient_check.part_check import PartCheck
from keras_dlnotes.gradient_check.progress import Progress
from keras_dlnotes.gradient_check.report import GradientReport
from keras_dlnotes.gradient_check.shadow import computing_in, replaced


def check_gradients(
    subject,
    x,
    y=None,
    sample_weight=None,
    *,
    training=True,
    inputs=None,
    second_order=False,
    directions=2,
    every_coordinate=False,
    seed=0,
    verbose="auto",
):
    """DOC."""
    start = time.perf_counter()
    batch = {"x": x, "y": y, "sample_weight": sample_weight}
    subject, with_inputs = _checked_arguments(subject, x, y, inputs)
    _build(subject, batch)
    progress = Progress(verbose)
    options = {
        "subject": subject,
        "batch": batch,
        "training": training,
        "with_inputs": with_inputs,
        "seed": seed,
    }
    settings = (directions, every_coordinate, second_order)
    with _global_random_states_kept():
        try:
            report = _check("float64", options, settings, progress)
        except Exception as error:
            try:  # something in it may insist on float32
                report = _check("float32", options, settings, progress)
            except Exception:
                raise error from None
            report.notes.insert(
                0, f"does not compute in float64 ({type(error).__name__}: {_head(error)})"
            )
    progress.close()
    return GradientReport(**{**vars(report), "seconds": time.perf_counter() - start})


def assert_gradients(subject, x, y=None, sample_weight=None, **options):
    """DOC."""
    report = check_gradients(subject, x, y, sample_weight, **options).raise_if_failed()
    return report


def _check(dtype, options, settings, progress):
    directions, every_coordinate, second_order = settings
    subject = options["subject"]
    layers, losses, compile_loss = _parts_with_policies(subject)
    with contextlib.ExitStack() as stack:
        stack.enter_context(computing_in(dtype, layers, losses))
        if compile_loss is not None:
            # A loss builds itself when it is called first; the model's own stays as it is.
            compile_loss = type(compile_loss)(
                compile_loss._user_loss,
                compile_loss._user_loss_weights,
                output_names=compile_loss.output_names,
            )
            stack.enter_context(replaced(subject, "_compile_loss", compile_loss))
        objective = Objective(dtype=dtype, compile_loss=compile_loss, **options)
        if not objective.targets:
            raise ValueError(
                "Expected something whose gradient can be checked: trainable floating-point "
                "weights, or inputs with `inputs=True`. Received: "
                f"{getattr(subject, 'name', subject)!r}, where all is frozen or integer: "
                f"{objective.skipped or 'it has no weights'}."
            )
        tensors = objective.tensors()
        objective.trace(tensors)
        parts = dict(objective.parts)
        if second_order:
            parts["second order"] = _slope(objective, tensors, options["seed"])
        rows, notes, checks = [], [], []
        for name, function in parts.items():
            check = PartCheck(
                name, function, objective.targets, tensors, dtype, directions, every_coordinate,
                progress.advance,
            )
            rows += check.run()
            notes += check.notes
            checks.append(check)
    return GradientReport(
        rows=rows,
        skipped=objective.skipped,
        notes=notes,
        precision=dtype,
        noise=getattr(checks[0].losses, "noise", 0.0),
        evaluations=sum(check.losses.evaluations for check in checks),
    )


def _slope(objective, tensors, seed):
    """<gradient, v>: its gradient is the Hessian times v."""
    rng = np.random.default_rng((seed, 1))
    vectors = [
        active.line_losses.constant(rng.normal(size=t.value.shape).astype(t.value.dtype))
        for t in objective.targets
    ]
    return active.line_losses.slope_function(objective.parts["loss"], vectors)


def _parts_with_policies(subject):
    """All layers and losses whose precision changes, and a compiled model's loss."""
    if isinstance(subject, keras.Loss):
        return [], [subject], None
    if not isinstance(subject, keras.Layer):
        return [], [], None
    layers = list(subject._flatten_layers())
    compile_loss = getattr(subject, "_compile_loss", None)
    user_losses = keras.tree.flatten(getattr(compile_loss, "_user_loss", None))
    return layers, [loss for loss in user_losses if isinstance(loss, keras.Loss)], compile_loss


def _checked_arguments(subject, x, y, inputs):
    if isinstance(subject, str):
        subject = keras.losses.get(subject)
    if not isinstance(subject, keras.Layer) and not callable(subject):
        raise TypeError(
            "Expected a model, a layer, a loss, the name of a loss, or a function. "
            f"Received: {subject!r} of type {type(subject).__name__}."
        )
    is_loss = isinstance(subject, keras.Loss)
    if is_loss and y is None:
        raise ValueError(
            "Expected the predictions as `x` and the targets as `y` to check a loss. "
            "Received: y=None."
        )
    compiled = getattr(subject, "_compile_loss", None) is not None
    if isinstance(subject, keras.Layer) and y is not None and not compiled:
        raise ValueError(
            "Expected a model compiled with a loss, since targets `y` are given. Received: "
            f"{subject.name!r}, which has none. Call `model.compile(loss=...)`, or leave out `y` "
            "to check the outputs themselves."
        )
    if compiled and y is None:
        raise ValueError(
            f"Expected targets `y` for the loss that {subject.name!r} was compiled with. "
            "Received: y=None."
        )
    is_model = isinstance(subject, keras.Model)
    return subject, (not is_model if inputs is None else inputs)


def _build(subject, batch):
    """Makes the weights of a layer that has not been called yet, as its first call would."""
    if isinstance(subject, keras.Layer) and not all(
        layer.built for layer in subject._flatten_layers()
    ):
        x = batch["x"]
        with keras.StatelessScope():  # its other effects, such as moving averages, are dropped
            x = keras.tree.map_structure(
                lambda leaf: None if leaf is None else keras.ops.convert_to_tensor(leaf), x
            )
            subject(*x) if isinstance(x, tuple) else subject(x)


@contextlib.contextmanager
def _global_random_states_kept():
    """NumPy's and Python's, which a layer under test may draw from."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def _head(error):
    text = str(error).strip().splitlines()
    return text[0][:200] if text else ""
