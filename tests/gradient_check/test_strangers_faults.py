"""Faults that were written before the check was run on them are caught, and nothing beside them."""

import re

import keras
import pytest

import keras_dlnotes as kd
from tests.references.faults_of_strangers import STRANGERS

# Where each program is compiled, which takes seconds, only some run by default.
COMPILED = keras.backend.backend() != "torch"
QUICK = {
    "bias_of_time_and_units_summed_over_time",
    "convolution_padded_on_the_wrong_side",
    "elastic_net_without_its_absolute_values",
    "fault_in_a_millionth_of_the_loss",
    "first_example_of_the_batch_without_gradient",
    "length_of_a_vector_of_zeros",
    "loss_that_ignores_sample_weights_in_its_gradient",
    "one_row_of_a_large_table",
    "second_output_wrong",
    "wrong_while_training_alone",
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if COMPILED and name not in QUICK else [])
        for name in sorted(STRANGERS)
    ],
)
def test_fault_alone_is_caught_and_named(name):
    make, cause, failing = STRANGERS[name]
    report = kd.check_gradients(*make())
    assert {row.path.split("/")[-1] for row in report.failures} == failing, report
    causes = [row.cause for row in report.failures]
    assert any(re.search(cause, text) for text in causes), report
