"""Newton and NewtonCG go through the phases as `docs/second_order.md` says."""

import keras
import numpy as np
import pytest
from keras import ops
from references.phase_tables import BACK, PhaseTable

from keras_dlnotes.backend import active
from keras_dlnotes.numerics.phases import Points
from keras_dlnotes.numerics.trust_region_machine import TrustRegionControl
from keras_dlnotes.optimizers import Newton, NewtonCG

TABLES = {
    method: PhaseTable(f"The trust region of `{method.__name__}`", method.phases)
    for method in (Newton, NewtonCG)
}
LINES = [(method, row) for method, table in TABLES.items() for row in table.rows]
PLACES = {"trial point": [1.0, 1.0], "accepted point": [0.0, 0.0], "other weights": [5.0, 5.0]}
# What differs for each word of the table. At the accepted point the loss is 1.
SEEN: dict[str, dict] = {
    "finite": {},
    "not finite": {"loss": np.nan},
    "`verify_determinism=False`": {"verify_determinism": False},
    "gradient within the tolerance": {"gradient": [1e-9, 0.0]},
    "negative curvature": {"hessian": [1.0, -1.0]},
    "the same loss": {"loss": 1.0},
    "another loss": {"loss": 2.0},
    "loss falls as promised": {"loss": 0.5},
    "loss does not fall": {"loss": 2.0},
    "the step is below rounding": {"step_length": 1e-33},
    "for the second time in turn": {"rejections": 1.0},
    "not verified": {"verified": 0.0},
    "minimum": {"loss": 1.0, "promise": 1e-20, "gradient": [-2.0, 0.0]},
    "loss level for the third time": {"loss": 1.0, "level": 2.0},
    "conjugate gradients go on": {"hessian": [1.0, 100.0]},
    "conjugate gradients end": {},
    "nothing promised": {"accepted_gradient": [0.0, 0.0]},
}


def next_phase(method, phase, suspended, place, *changes):
    """The name of the phase after one evaluation by the real optimizer."""
    known = {
        "loss": 0.5,
        "gradient": [-0.3, 0.2],
        "hessian": [1.0, 1.0],
        "accepted_gradient": [-1.0, -1.0],
        "promise": 0.5,
        "step_length": 1.5,
        "level": 0.0,
        "rejections": 0.0,
        "verified": 1.0,
        "verify_determinism": True,
    }
    for change in changes:
        known.update(change)

    def tensor(value):
        value = ops.convert_to_tensor(np.array(value, "float64"))
        return value if value.shape else active.arrays.scalar(value)

    table = TABLES[method]
    optimizer = method(gradient_tolerance=1e-6)
    optimizer.verify_determinism = known["verify_determinism"]
    optimizer.build([keras.Variable([0.0, 0.0], dtype="float64", name="weights")])
    gradient = np.array(known["accepted_gradient"])
    second = np.diag(known["hessian"])
    if method is Newton:
        optimizer._eigenvalues.assign([1.0, 1.0])
        optimizer._eigenvectors.assign(np.eye(2))
    else:
        iterate = PLACES["trial point" if "SEARCH" in (phase, suspended) else "accepted point"]
        for variable, value in zip(optimizer._inner, (iterate, gradient, -gradient), strict=True):
            variable.assign(value)
        second = second @ -gradient
    numbers = dict.fromkeys(TrustRegionControl._fields, 0.0) | {
        "phase": table.numbers[phase],
        "suspended": table.numbers[suspended] if suspended else 0,
        "loss": 1.0,
        "gradient_norm": 1.0,
        "evaluations": 3.0,
        "radius": 2.0,
        "unit": 1.0,
        **{
            name: known[name]
            for name in ("promise", "step_length", "level", "rejections", "verified")
        },
    }
    # Where no trial step has been taken, the trial point is the accepted point.
    moved = phase in ("SEARCH", *BACK)
    accepted, trial = PLACES["accepted point"], PLACES["trial point"]
    with np.errstate(all="ignore"):  # as the step itself does
        control, points = optimizer.advance(
            TrustRegionControl(**{name: tensor(number) for name, number in numbers.items()}),
            Points(tensor(accepted), tensor(gradient), tensor(trial if moved else accepted)),
            tensor(place),
            tensor(known["gradient"]),
            tensor(known["loss"]),
            tensor(second),
        )
    after = table.names[int(ops.convert_to_numpy(control.phase))]
    moves = not np.array_equal(*(ops.convert_to_numpy(p) for p in (points[0], points[2])))
    assert moves == (after == "SEARCH")
    return after


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("method", "row"),
    LINES,
    ids=lambda item: item.__name__ if isinstance(item, type) else "-".join(filter(None, item)),
)
def test_every_line_of_the_tables_is_so(method, row):
    table = TABLES[method]
    changes = [SEEN[word] for word in row.seen.split("; ")]
    for place in PLACES.values() if row.place == "anywhere" else [PLACES[row.place]]:
        after = next_phase(method, row.phase, row.suspended, place, *changes)
        assert after in table.following(row)
        if row.following == "as `START`":
            assert after == next_phase(method, "START", None, place, *changes)
