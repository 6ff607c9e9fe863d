"""GaussNewton goes through the phases as `docs/second_order.md` says."""

import numpy as np
import pytest
from keras import ops
from references.phase_tables import BACK, PhaseTable

from keras_dlnotes.backend import active
from keras_dlnotes.numerics import levenberg_marquardt_machine as machine
from keras_dlnotes.numerics.phases import GaussNewtonPhase, Points

TABLE = PhaseTable("Levenberg's and Marquardt's method in `GaussNewton`", GaussNewtonPhase)
PLACES = {"trial point": [1.0, 1.0], "accepted point": [0.0, 0.5], "other weights": [5.0, 5.0]}
# What differs for each word of the table. At the accepted point the loss is 1.
SEEN: dict[str, dict] = {
    "finite": {},
    "not finite": {"loss": np.nan},
    "`verify_determinism=False`": {"verify_determinism": False},
    "gradient within the tolerance": {"flat": 1.0},
    "examples not independent": {"coupled": 1.0},
    "the same loss": {"loss": 1.0},
    "another loss": {"loss": 2.0},
    "loss falls as promised": {"loss": 0.5},
    "loss does not fall": {"loss": 2.0},
    "no shorter step is left": {"rung": 4.0},
    "the radius is below rounding": {"step_length": 1e-33, "radius": 1e-33},
    "minimum": {"loss": 1.0, "promise": 1e-20, "full_length": 1.5, "gradient": [-2.0, 0.0]},
    "loss level for the third time": {"loss": 1.0, "level": 2.0},
}


def next_phase(phase, suspended, place, *changes):
    """The name of the phase after one evaluation."""
    known = {
        "loss": 0.5,
        "gradient": [-0.3, 0.2],
        "promise": 0.5,
        "step_length": 1.5,
        "full_length": 3.0,
        "radius": 1.5,
        "rung": 0.0,
        "level": 0.0,
        "flat": 0.0,
        "coupled": 0.0,
        "verify_determinism": True,
    }
    for change in changes:
        known.update(change)

    def tensor(value):
        value = ops.convert_to_tensor(np.array(value, "float64"))
        return value if value.shape else active.arrays.scalar(value)

    moved = phase in ("SEARCH", *BACK)
    accepted, trial = PLACES["accepted point"], PLACES["trial point"]
    numbers = dict.fromkeys(machine.LevenbergMarquardtControl._fields, 0.0) | {
        "phase": TABLE.numbers[phase],
        "suspended": TABLE.numbers[suspended] if suspended else 0,
        "loss": 1.0,
        "gradient_norm": 1.0,
        "scaled_norm": 2.0**0.5,
        "full_promise": 0.6,
        "evaluations": 3.0,
        "unit": 1.0,
        **{
            name: known[name]
            for name in ("promise", "step_length", "full_length", "radius", "rung", "level")
        },
    }
    lengths = np.array([1.5, 0.75, 0.375, 0.15, 0.05])
    ladder = machine.StoredLadder(
        column_lengths=tensor([1.0, 1.0]),
        steps=tensor(lengths[:, None] * [0.6, 0.8]),
        lengths=tensor(lengths),
        promises=tensor([0.5, 0.3, 0.2, 0.1, 0.05]),
    )
    fresh = machine.Fresh(
        radius=tensor(1.5),
        full_promise=tensor(0.6),
        full_length=tensor(3.0),
        scaled_norm=tensor(1.0),
        flat=tensor(known["flat"]),
        coupled=tensor(known["coupled"]),
    )
    control, points, verdict = machine.judge(
        machine.LevenbergMarquardtControl(
            **{name: tensor(number) for name, number in numbers.items()}
        ),
        Points(tensor(accepted), tensor([-1.0, -1.0]), tensor(trial if moved else accepted)),
        ladder.column_lengths,
        tensor(place),
        tensor(known["gradient"]),
        tensor(known["loss"]),
        np.finfo("float64").eps,
    )
    new = machine.needs_ladder(verdict, known["verify_determinism"])
    epsilon = np.finfo("float64").eps
    control, trial_point = machine.follow(
        control, points, verdict, ladder, new, fresh, epsilon, known["verify_determinism"]
    )
    after = TABLE.names[int(ops.convert_to_numpy(control.phase))]
    moves = not np.array_equal(*map(ops.convert_to_numpy, (points.accepted_point, trial_point)))
    assert moves == (after == "SEARCH")
    return after


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: "-".join(filter(None, row)))
def test_every_line_of_the_table_is_so(row):
    changes = [SEEN[word] for word in row.seen.split("; ")]
    for place in PLACES.values() if row.place == "anywhere" else [PLACES[row.place]]:
        after = next_phase(row.phase, row.suspended, place, *changes)
        assert after in TABLE.following(row)
        if row.following == "as `START`":
            assert after == next_phase("START", None, place, *changes)
