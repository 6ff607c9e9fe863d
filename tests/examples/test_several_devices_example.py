"""The example runs from end to end, and two devices do what one does."""

import pathlib
import re

import keras
from several_processes import outputs_of

_SCRIPT = pathlib.Path(__file__).parents[2] / "examples" / "several_devices.py"


def test_example(tmp_path):
    # So few evaluations that rounding has not grown.
    (output,) = outputs_of(_SCRIPT, "--log-dir", tmp_path, "--epochs", 4)
    several, one = re.findall(r"loss (\S+), gradient \S+ after (\d+) evaluations, (.+)", output)
    assert several[1:] == one[1:] == ("4", "searching"), output
    assert abs(float(several[0]) - float(one[0])) < 2e-6
    assert float(re.search(r"weights: (\S+) \(float32", output)[1]) < 1e-5
    folder = tmp_path / keras.backend.backend()
    assert len(list(folder.glob("*tfevents*"))) == 1
