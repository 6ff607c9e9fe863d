"""Faults that were written before the check was run on them are caught, and nothing beside them."""

import re

import pytest

import keras_dlnotes as kd
from tests.references.faults_of_strangers import STRANGERS


@pytest.mark.parametrize("name", sorted(STRANGERS))
def test_fault_alone_is_caught_and_named(name):
    make, cause, failing = STRANGERS[name]
    report = kd.check_gradients(*make())
    assert {row.path.split("/")[-1] for row in report.failures} == failing, report
    causes = [row.cause for row in report.failures]
    assert any(re.search(cause, text) for text in causes), report
