"""What a program of the development set is."""

import zlib
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

layers = keras.layers


@dataclass
class Run:
    """All that `fit` needs."""

    x: Any
    y: Any
    model: keras.Model
    loss: Any
    optimizer: Any = "adam"
    epochs: int = 30
    batch_size: int = 32
    metrics: Any = None
    fit: dict = field(default_factory=dict)
    callbacks: list = field(default_factory=list)
    compiled: dict = field(default_factory=dict)

    def __call__(self, *callbacks):
        """Compiles and trains."""
        self.model.compile(
            optimizer=self.optimizer, loss=self.loss, metrics=self.metrics, **self.compiled
        )
        return self.model.fit(
            self.x,
            self.y,
            epochs=self.epochs,
            batch_size=self.batch_size,
            verbose=0,
            callbacks=[*self.callbacks, *callbacks],
            **self.fit,
        )


@dataclass(frozen=True)
class Program:
    """One program.

    Args:
        make: function that returns a `Run`; one with a repaired twin takes whether it is broken.
        causes: names of causes that are right to be named first; empty for a healthy program.
        part: 0 or 1 for the halves of the development set (None: fixed by the name), 2 for what
            was written later, 3 for questions and tutorials, 4 for threads and what works, 5 for
            published benchmarks.
    """

    make: Any
    causes: tuple = ()
    part: int | None = None

    @property
    def name(self):
        """The function's name."""
        return self.make.__name__

    @property
    def half(self):
        """Its part, as above."""
        return zlib.crc32(self.name.encode()) % 2 if self.part is None else self.part

    @property
    def variants(self):
        """Whether it is broken, for each of its runs."""
        if not self.causes:
            return (False,)
        return (True, False) if self.part is None else (True,)

    def run(self, broken):
        """The program or its twin, ready to be trained."""
        return self.make(broken) if len(self.variants) == 2 else self.make()


def table(part=None):
    """A list and a decorator that appends to it: `@program("cause", ...)` over a function."""
    programs = []

    def program(*causes):
        def add(make):
            programs.append(Program(make, causes, part))
            return make

        return add

    return programs, program


def mlp(
    inputs,
    hidden,
    units,
    output=None,
    activation="relu",
    initializer="glorot_uniform",
    between=None,
    first=(),
):
    """A multilayer perceptron.

    Args:
        inputs: shape of an example.
        hidden: sizes of the hidden layers.
        units: size of the output.
        output: its activation.
        activation: that of the hidden layers.
        initializer: of all kernels.
        between: function that makes a layer to follow each hidden one.
        first: layers that come first.
    """
    shape = (inputs,) if isinstance(inputs, int) else inputs
    stack = [keras.Input(shape), *first]
    for size in hidden:
        stack.append(layers.Dense(size, activation=activation, kernel_initializer=initializer))
        if between is not None:
            stack.append(between())
    stack.append(layers.Dense(units, activation=output, kernel_initializer=initializer))
    return keras.Sequential(stack)


def convnet(shape, units, output="softmax", activation="relu", filters=8, first=()):
    """A convolution, pooling, and a dense layer."""
    return keras.Sequential(
        [
            keras.Input(shape),
            *first,
            layers.Conv2D(filters, 3, activation=activation),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation=activation),
            layers.Dense(units, activation=output),
        ]
    )


def text_model(units, output, words=200, recurrent=None):
    """An embedding, something recurrent, and an output."""
    recurrent = recurrent or layers.LSTM(16)
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(words, 16),
            recurrent,
            layers.Dense(units, activation=output),
        ]
    )


class Batches(keras.utils.PyDataset):
    """Batches of arrays, with what goes wrong in generators people write."""

    def __init__(self, x, y, size=32, shift=0):
        super().__init__()
        self.x, self.y, self.size, self.shift = x, np.roll(y, shift, 0), size, shift

    def __len__(self):
        return len(self.x) // self.size

    def __getitem__(self, index):
        part = slice(index * self.size, (index + 1) * self.size)
        return self.x[part], self.y[part]
