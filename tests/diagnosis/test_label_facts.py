import numpy as np
import pytest

from keras_dlnotes.diagnosis import label_facts

pytestmark = pytest.mark.any_backend

KINDS = {
    "binary": [0, 1, 1, 0],
    "signed": [-1, 1, 1, -1],
    "integers": list(range(5)) * 4,
    "real": [0.1, 2.5, -3.0, 7.0],
    "constant": [3, 3, 3],
    "one_hot": np.eye(3)[[0, 1, 2, 1]],
    "multi_hot": [[1, 1, 0], [0, 0, 0], [1, 0, 1]],
    "shares": [[0.2, 0.8], [0.5, 0.5]],
}


@pytest.mark.parametrize("kind", KINDS)
def test_kind(kind):
    assert label_facts(KINDS[kind]).kind == kind


def test_amounts_that_happen_to_be_whole_are_no_classes():
    ages = np.random.default_rng(0).integers(18, 90, 300)
    facts = label_facts(ages)
    assert facts.kind == "real"
    assert facts.whole


def test_numbers_ignore_what_is_not_finite():
    facts = label_facts([1.0, 3.0, np.nan])
    assert (facts.low, facts.high, facts.mean) == (1.0, 3.0, 2.0)


def test_shape_is_that_of_one_target():
    assert label_facts(np.zeros((7, 4, 1))).shape == (4, 1)


def test_for_a_sparse_loss_the_last_axis_is_not_that_of_the_classes():
    tags = np.eye(3, dtype=int)[[0, 1, 2, 1]]
    assert label_facts(tags, "categorical_crossentropy").kind == "one_hot"
    facts = label_facts(tags, "sparse_categorical_crossentropy")
    assert (facts.kind, facts.classes, facts.shape) == ("binary", 2, (3,))
