"""A process that is killed: the other is told in time, and both resume where they were."""

import pathlib

import keras
import pytest
from several_processes import outputs_of

_SCRIPT = pathlib.Path(__file__).parent / "lost_process.py"

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="processes of torch.distributed"
)


def test_resumes_with_the_same_weights(tmp_path):
    killed = 0  # the one that keeps the backup and the store through which they meet
    outputs = outputs_of(_SCRIPT, tmp_path, "killed", killed, processes=2)
    assert "told" in outputs[1 - killed], outputs[1 - killed][-3000:]
    assert "told" not in outputs[killed]
    for output in outputs_of(_SCRIPT, tmp_path, "resumed", killed, processes=2):
        assert output.rstrip().endswith("the same"), output[-3000:]
