"""With keras.distribution the history may be divided among the devices; the steps are the same."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="keras.distribution is there on JAX"
)


def trained(*arguments):
    result = subprocess.run(
        [sys.executable, "-m", "tests.optimizers.sharded_history", *arguments],
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "JAX_ENABLE_X64": "1",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_each_device_holds_its_part_of_the_history_and_the_steps_are_those_of_one_device():
    losses, whole, on_one = trained()
    sharded, _, on_four = trained("sharded")
    rows, size = whole
    assert on_one == [whole]
    assert on_four == [[rows, size // 4]] * 4
    np.testing.assert_allclose(sharded, losses, rtol=1e-10)
    assert losses[-1] < 0.8 * losses[0]
