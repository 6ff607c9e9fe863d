"""What threads that prepare batches see while gradients are checked: nothing of it."""

import random
import threading
import time

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_dlnotes as kd
from keras_dlnotes.backend.float64 import floatx_here, half_casts_widened, true_float64
from tests.references.faulty_gradients import normal


def seen_by_this_thread():
    """What depends on process-wide state, as a thread of a data set would notice it."""
    name = keras.backend.standardize_dtype
    return (
        keras.config.floatx(),
        name(ops.ones(2).dtype),
        name(ops.cast(ops.ones(2), "float16").dtype),
        keras.backend.result_type("float64", "float32"),
        *seen_of_torch(),
    )


def seen_of_torch():
    if keras.backend.backend() != "torch":
        return ()
    import torch

    return torch.zeros(1).dtype, torch.get_default_dtype()


def drawn_from_global_generators():
    numbers = [np.random.random(), random.random()]
    if keras.backend.backend() == "torch":
        import torch

        numbers.append(float(torch.rand(())))
    return numbers


def seed_global_generators():
    np.random.seed(3)
    random.seed(3)
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(3)


class Noisy(layers.Layer):
    """Draws and casts in the check alone, which takes so long that threads come in between."""

    def __init__(self, checking):
        super().__init__()
        self.checking = checking

    def call(self, x):
        if keras.backend.standardize_dtype(x.dtype) != "float64":
            return x
        self.checking.set()
        half = ops.cast(ops.cast(x, "bfloat16"), x.dtype)
        noise = sum(drawn_from_global_generators()[:2])
        time.sleep(0.05)
        self.checking.clear()
        return half + noise + self.drawn_by_torch(x)

    def drawn_by_torch(self, x):
        if keras.backend.backend() != "torch":
            return 0.0
        import torch

        noise = torch.randn(x.shape) + torch.empty_like(x).uniform_() + torch.rand_like(x)
        return torch.nn.functional.dropout(noise + torch.randint(0, 5, (1,)), 0.3)


class Pictures(keras.utils.PyDataset):
    """Notes what its workers see."""

    def __init__(self, checking):
        super().__init__(workers=2, max_queue_size=400)
        self.checking = checking
        self.lock = threading.Lock()
        self.seen, self.numbers, self.during = set(), [], 0

    def __len__(self):
        return 300

    def __getitem__(self, index):
        time.sleep(0.002)
        with self.lock:
            self.seen.add(seen_by_this_thread())
            self.numbers.append(drawn_from_global_generators())
            self.during += self.checking.is_set()
        return np.ones((2, 3), "float32"), np.ones((2, 1), "float32")


def test_workers_of_a_data_set_see_and_draw_what_they_would_without_the_check():
    checking = threading.Event()
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), Noisy(checking), layers.Dense(1)])
    model.compile("sgd", "mse")
    check = kd.callbacks.GradientCheck(at="start", action="raise")
    usual = seen_by_this_thread()
    data = Pictures(checking)
    seed_global_generators()
    model.fit(data, epochs=1, shuffle=False, steps_per_epoch=5, verbose=0, callbacks=[check])
    assert check.reports["start"].passed
    assert "bfloat16" in check.reports["start"].notes[0]
    assert data.during > 5
    assert data.seen == {usual}
    seed_global_generators()
    expected = [drawn_from_global_generators() for _ in range(len(data.numbers) + 20)]
    for i, numbers in enumerate(zip(*data.numbers, strict=True)):
        stream = [draws[i] for draws in expected]
        # torch's loader of batches itself draws a few numbers, sooner or later.
        places = [stream.index(number) for number in numbers]
        assert places == sorted(set(places))
        assert places[-1] < len(places) + 8
    assert seen_by_this_thread() == usual


def test_what_the_layer_draws_is_not_taken_from_the_global_generators():
    seed_global_generators()
    expected = drawn_from_global_generators()
    seed_global_generators()
    report = kd.check_gradients(Noisy(threading.Event()), normal(4, 3))
    assert report.passed, report
    assert drawn_from_global_generators() == expected


def test_two_checks_in_two_threads():
    reports = {}

    def check(number):
        layer = layers.Dense(3, "relu" if number else "tanh")
        reports[number] = kd.check_gradients(layer, normal(4, 3, seed=number))

    functions = keras.config.floatx, np.random.normal, random.random, keras.src.backend.core.cast
    before = seen_by_this_thread(), [f.__code__ for f in functions if hasattr(f, "__code__")]
    threads = [threading.Thread(target=check, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(reports[i].passed and reports[i].precision == "float64" for i in range(2)), reports
    assert keras.src.backend.core.cast is functions[3]
    assert np.random.normal == functions[1]
    assert random.random == functions[2]
    after = seen_by_this_thread(), [f.__code__ for f in functions if hasattr(f, "__code__")]
    assert after == before


def test_scopes_are_left_in_any_order_and_after_an_error():
    usual = seen_by_this_thread()
    first, second = true_float64(), floatx_here("float16")
    entered = []

    def enter():
        with second:
            entered.append(keras.config.floatx())
            raise RuntimeError("over")

    with first, half_casts_widened("float64", set()):
        with pytest.raises(RuntimeError, match="over"):
            enter()
        assert entered == ["float16"]
        assert keras.config.floatx() == "float64"
        assert keras.backend.standardize_dtype(ops.cast(ops.ones(2), "float16").dtype) == "float64"
        others = []
        thread = threading.Thread(target=lambda: others.append(seen_by_this_thread()))
        thread.start()
        thread.join()
        assert others == [usual]
    assert seen_by_this_thread() == usual


def test_a_set_floatx_of_another_thread_lasts():
    with true_float64():
        thread = threading.Thread(target=keras.config.set_floatx, args=("float16",))
        thread.start()
        thread.join()
        assert keras.config.floatx() == "float64"
    assert keras.config.floatx() == "float16"
