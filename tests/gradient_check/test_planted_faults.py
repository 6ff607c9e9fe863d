"""Every planted fault is caught and named."""

import re

import pytest

import keras_dlnotes as kd
from tests.references.faulty_gradients import FAULTS


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_fault_is_caught_and_named(name):
    make, cause = FAULTS[name]
    report = kd.check_gradients(*make())
    assert report.failures, report
    causes = [row.cause for row in report.failures]
    assert any(re.search(cause, text) for text in causes), report
    assert not report.notes or report.precision == "float64", report


def test_there_are_at_least_forty():
    assert len(FAULTS) >= 40
