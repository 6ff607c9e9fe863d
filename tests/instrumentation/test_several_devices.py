"""What is recorded and found with several devices or processes is what one device shows."""

import pathlib

import keras
import numpy as np
import pytest
from several_processes import outputs_of

from keras_dlnotes.instrumentation.combined_rows import CombinedRows
from keras_dlnotes.instrumentation.step_tape import ELEMENT_COUNT, Column

BACKEND = keras.backend.backend()
_HERE = pathlib.Path(__file__).parent
_SCRIPT, _MISUSE = _HERE / "as_on_one_device.py", _HERE / "misused_processes.py"
_WAYS = {
    "tensorflow": [("mirrored", 2), ("mirrored", 4), ("workers", 2)],
    "jax": [("data", 2), ("data", 4), ("model", 2), ("model", 4)],
    "torch": [("ddp", 2), ("ddp", 4)],
}[BACKEND]


def _compare(what, how, replicas):
    processes = 1 if how in ("mirrored", "data", "model") else replicas
    outputs = outputs_of(_SCRIPT, what, how, replicas, processes=processes)
    for output in outputs:
        assert output.rstrip().endswith("as on one device"), output[-3000:]


@pytest.mark.parametrize(("how", "replicas"), _WAYS)
def test_statistics_are_those_of_one_device(how, replicas):
    _compare("statistics", how, replicas)


@pytest.mark.parametrize(
    ("how", "replicas"), [way for way in _WAYS if way[0] in ("mirrored", "data", "ddp")]
)
def test_six_faulty_and_six_healthy_runs_are_judged_alike(how, replicas):
    _compare("findings", how, replicas)


@pytest.mark.skipif(BACKEND != "torch", reason="torch.distributed")
def test_processes_that_do_not_fit_each_other_are_told():
    first, second = outputs_of(_MISUSE, processes=2)
    assert first.rstrip().endswith("told"), first[-3000:]
    assert second.rstrip().endswith("told"), second[-3000:]


def test_rows_of_replicas_become_one():
    columns = (
        Column("activations", "dense", "mean", layer="dense"),
        Column("activations", "dense", "minimum", layer="dense"),
        Column("activations", "dense", ELEMENT_COUNT, layer="dense"),
        Column("activations", "dense", "histogram", 4, layer="dense"),
        Column("gradients", "kernel", "norm"),
    )
    rows = np.array(
        [[1.0, -3.0, 6.0, -3.0, 5.0, 2.0, 4.0, 0.25], [4.0, 2.0, 2.0, -3.0, 5.0, 0.0, 2.0, 0.25]],
        dtype="float32",
    )
    combined = CombinedRows(columns)
    assert combined.columns == columns[:2] + columns[3:]
    expected = [1.75, -3.0, -3.0, 5.0, 2.0, 6.0, 0.25]
    np.testing.assert_array_equal(combined.combine(rows), expected)
    assert combined.agree(rows)
    rows[1, -1] = 0.3
    assert not combined.agree(rows)
