"""Where the first number that is not finite was seen, read from recorded steps."""

import numpy as np
import pytest

from keras_dlnotes.diagnosis.non_finite_trace import NonFiniteTrace, Origin
from keras_dlnotes.instrumentation import StepRecord
from keras_dlnotes.instrumentation.step_tape import Column

NAN = float("nan")
TAGS = (
    ("activations", "hidden", "maximum"),
    ("activations", "hidden", "non_finite_count"),
    ("activations", "out", "non_finite_count"),
    ("gradients", "hidden/kernel", "non_finite_count"),
    ("gradients", "out/kernel", "non_finite_count"),
    ("weights", "hidden/kernel", "norm"),
)
SOUND = {"maximum": 1.0, "hidden": 0, "out": 0, "first": 0, "second": 0, "weights": 2.0}


def origin(*steps):
    """Of steps, each a number, a loss and what differs from a sound one."""
    trace = NonFiniteTrace()
    columns = tuple(Column(*tag) for tag in TAGS)
    for step, loss, changes in steps:
        values = np.array(list((SOUND | changes).values()), dtype="float32")
        logs = {} if loss is None else {"loss": loss}
        trace.add(StepRecord(step, columns, values, logs, 0.0))
    return trace.origin()


BROKEN = {"maximum": NAN, "hidden": 9, "out": 3, "first": 9, "second": 9, "weights": NAN}
CASES = {
    "nothing": ([(0, 1.0, {}), (1, 0.9, {})], None),
    "forward": (
        [(0, 1.0, {}), (1, NAN, {"out": 3, "first": 9, "second": 9}), (2, NAN, BROKEN)],
        Origin("forward", 1, layer="out", finite_step=0),
    ),
    "loss": (
        [(0, NAN, {"first": 9, "second": 9}), (1, NAN, BROKEN)],
        Origin("loss", 0),
    ),
    "gradient": (
        [(0, 1.0, {}), (1, 0.9, {"first": 9}), (2, NAN, BROKEN)],
        Origin("gradient", 1, variables=("hidden/kernel",), finite_step=1),
    ),
    "gradients skipped by loss scaling": (
        [(0, 1.0, {"first": 9, "second": 9}), (1, 0.9, {}), (2, NAN, {"hidden": 1})],
        Origin("forward", 2, layer="hidden", finite_step=1),
    ),
    "loss unknown": (
        [(0, None, {"first": 9, "second": 9}), (1, None, BROKEN)],
        Origin(
            "loss or gradient",
            0,
            variables=("hidden/kernel", "out/kernel"),
            all_variables=True,
            finite_step=0,
        ),
    ),
    "last step": (
        [(0, 1.0, {"first": 9})],
        Origin("gradient", 0, variables=("hidden/kernel",), finite_step=0),
    ),
    "update": ([(0, 1.0, {}), (1, NAN, BROKEN)], Origin("update", 0, finite_step=0)),
    "unseen": ([(0, 1.0, {}), (8, NAN, BROKEN)], Origin("unseen", 8, finite_step=0)),
    "weights": ([(0, NAN, BROKEN)], Origin("weights", 0)),
    "loss grew": (
        [(0, 1.0, {}), (1, 90.0, {}), (2, np.inf, {})],
        Origin("loss", 2, finite_step=1, grown=True),
    ),
    "weights grew": (
        [(0, 1.0, {}), (1, NAN, {"weights": 99.0, "hidden": 2})],
        Origin("forward", 1, layer="hidden", finite_step=0, grown=True),
    ),
    "outputs grew": (
        [(0, 1.0, {}), (1, NAN, {"maximum": 1e4})],
        Origin("loss", 1, finite_step=0, grown=True),
    ),
    "huge at once": ([(0, np.inf, {"maximum": 1e20})], Origin("loss", 0, grown=True)),
    "grown over a whole training": (
        [(n, 1.0, {"weights": 2.0 + n}) for n in range(40)] + [(40, NAN, {"weights": 42.0})],
        Origin("loss", 40, finite_step=39),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_origin(case):
    steps, expected = CASES[case]
    assert origin(*steps) == expected
