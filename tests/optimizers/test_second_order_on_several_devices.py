"""Second-order methods on several devices and processes take the steps that one device takes."""

import pathlib

import keras
import pytest
from several_processes import outputs_of

BACKEND = keras.backend.backend()
_SCRIPT = pathlib.Path(__file__).parent / "second_order_on_several_devices.py"
_ALL = "LBFGS,BFGS,SSBroyden,Newton,NewtonCG"
_WAYS = {
    "tensorflow": [
        ("mirrored", 2, _ALL),
        ("mirrored", 4, "LBFGS,NewtonCG"),
        ("workers", 2, "LBFGS"),
    ],
    "jax": [("data", 2, "LBFGS,Newton"), ("data", 4, _ALL), ("model", 4, _ALL)],
    "torch": [("processes", 2, _ALL), ("processes", 4, "LBFGS,NewtonCG")],
}[BACKEND]


@pytest.mark.parametrize(("how", "replicas", "methods"), _WAYS)
def test_the_same_steps_as_one_device(how, replicas, methods):
    processes = replicas if how in ("workers", "processes") else 1
    for output in outputs_of(_SCRIPT, how, replicas, methods, processes=processes):
        assert output.rstrip().endswith("as on one device"), output[-3000:]
