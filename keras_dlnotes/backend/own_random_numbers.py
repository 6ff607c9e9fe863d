"""NumPy's and Python's global random numbers, drawn from generators that nobody else has."""

import contextlib
import random

import numpy as np

from keras_dlnotes.backend.replacements import replaced_here

# Functions of `numpy.random` whose name in a generator is another.
_OTHER_NAMES = {"ranf": "random_sample", "sample": "random_sample"}


class OwnRandomNumbers:
    """Lets the running thread draw from generators that start anew when asked to.

    What a layer under test draws must be the same in each evaluation, and change nothing of what a
    training draws. The global generators are neither read nor written: threads that prepare batches
    draw from them meanwhile. Functions that a module imported by name
    (`from numpy.random import normal`) draw from the global ones.
    """

    def __init__(self):
        self._numpy, self._python = np.random.RandomState(0), random.Random(0)

    @contextlib.contextmanager
    def scope(self):
        """While it lasts, `np.random.normal()`, `random.random()` and so on draw from them."""
        with contextlib.ExitStack() as stack:
            for module, own in ((np.random, self._numpy), (random, self._python)):
                for name, function in list(_functions(module, own)):
                    stack.enter_context(replaced_here(module, name, lambda _, own=function: own))
            yield

    def start_anew(self):
        """What is drawn next is what was drawn first."""
        self._numpy.seed(0)
        self._python.seed(0)


def _functions(module, own):
    """Names of a module's functions that draw, and what draws from its own generator."""
    for name in vars(module):
        if name.startswith("_"):
            continue
        function = getattr(own, name, None) or getattr(own, _OTHER_NAMES.get(name, ""), None)
        if callable(function):
            yield name, function
