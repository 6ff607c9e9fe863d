"""The example applies what the findings say, and nothing else."""

import keras_dlnotes as kd
from examples import diagnosis as example
from keras_dlnotes.diagnosis import Finding


def finding(**fix):
    return Finding("cause", "symptom", "explanation", "remedy", 0.9, fix=fix)


def test_remedy_is_read_from_the_finding():
    assert example.remedy_of(finding(learning_rate=0.1)) == {"learning_rate": 0.1}
    assert example.remedy_of(finding(standardize=True)) == {"standardize": True}
    remedy = example.remedy_of(finding(initializer="he", hidden_activation="relu"))
    assert list(remedy) == ["initializer"]
    assert isinstance(remedy["initializer"], kd.initializers.He)


def test_each_fault_is_an_argument_of_the_training():
    names = example.train.__code__.co_varnames[: example.train.__code__.co_argcount]
    assert all(set(fault) <= set(names) for fault in example.BROKEN.values())
