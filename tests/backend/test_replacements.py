"""What is replaced comes back as it was, and nobody else sees it replaced."""

import keras
import pytest
from keras import layers

from keras_dlnotes.backend.replacements import patched, replaced_here


class Greeting:
    """An object whose class has a method."""

    def __init__(self):
        self.word = "hello"

    def say(self):
        return self.word


def test_single_objects_are_replaced_and_come_back_also_after_an_error():
    first, second = Greeting(), Greeting()
    seen = []

    def look():
        with patched(
            [(first, "say", lambda: "replaced"), (first, "word", "bye"), (first, "word", "again")]
        ):
            seen.extend([first.say(), first.word, second.say()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        look()
    assert seen == ["replaced", "again", "hello"]
    assert vars(first) == {"word": "hello"}
    assert first.say() == "hello"


def test_an_error_halfway_puts_back_what_was_replaced_before_it():
    first = Greeting()
    with (
        pytest.raises(TypeError, match="all threads share"),
        patched([(first, "word", "bye"), (Greeting, "say", lambda self: "replaced")]),
    ):
        pass
    assert first.say() == "hello"


@pytest.mark.parametrize("shared", [Greeting, keras.ops], ids=["class", "module"])
def test_what_all_threads_share_is_refused(shared):
    before = dict(vars(shared))
    with pytest.raises(TypeError, match="replaced_here"), patched([(shared, "say", None)]):
        pass
    assert dict(vars(shared)) == before


def test_a_method_of_a_layer_is_replaced_past_the_tracking_of_attributes():
    layer = layers.Dense(2)
    layer.build((None, 3))
    held = set(vars(layer))
    with patched([(layer, "call", lambda inputs: inputs)]):
        assert layer(keras.ops.ones((1, 3))).shape == (1, 3)
    assert set(vars(layer)) == held
    assert layer(keras.ops.ones((1, 3))).shape == (1, 2)


def test_the_innermost_of_two_scopes_is_seen():
    with replaced_here(Greeting, "say", lambda original: lambda self: f"{original(self)}!"):
        with replaced_here(Greeting, "say", lambda _: lambda self: "inner"):
            assert Greeting().say() == "inner"
        assert Greeting().say() == "hello!"
    assert Greeting().say() == "hello"
