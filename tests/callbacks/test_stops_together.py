"""Processes that train one model stop it together."""

import pathlib

import keras
import pytest
from several_processes import outputs_of

BACKEND = keras.backend.backend()
_SCRIPT = pathlib.Path(__file__).parent / "stops_together.py"


@pytest.mark.skipif(BACKEND == "jax", reason="several devices of JAX are of one process here")
def test_two_processes_stop_in_the_same_epoch():
    how = "workers" if BACKEND == "tensorflow" else "ddp"
    for output in outputs_of(_SCRIPT, how, processes=2):
        assert output.rstrip().endswith("together"), output[-3000:]
