"""torch's own random numbers, for gradient checks and for short runs."""

import contextlib
import functools
from typing import Any

import torch

from keras_dlnotes.backend.torch import internals


@contextlib.contextmanager
def seeded(seed):
    """While it lasts, torch's global generators, which Keras's dropout draws from, follow a seed.

    Their states are put back at the end.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


class SameRandomNumbers:
    """Scopes of evaluations that draw the same numbers, where torch's global generator is meant.

    Keras's dropout draws from it where no seed was given. It is neither read nor written: threads
    that prepare batches draw from it meanwhile.
    """

    def __init__(self):
        self._generators = _OwnGenerators()
        self._mode = _dispatching_class()()
        self._mode.dispatch = self._generators.dispatch
        self._watching = True

    @contextlib.contextmanager
    def scope(self):
        """Scope of one evaluation; what it draws is what the first one drew.

        An evaluation that drew nothing tells that the others will not either; these run at full
        speed.
        """
        if not self._watching:
            yield
            return
        self._generators.start_anew()
        with self._mode:
            yield
        self._watching = self._generators.has_drawn


@functools.cache
def _dispatching_class() -> Any:
    """A mode of torch that hands each operation, with its arguments, to its `dispatch`."""

    def dispatch(mode, operation, types, arguments=(), options=None):
        return mode.dispatch(operation, arguments, options or {})

    return type("_Dispatching", (internals.dispatch_mode.value,), {"__torch_dispatch__": dispatch})


class _OwnGenerators:
    """Gives each operation that draws a generator, one for each device."""

    def __init__(self):
        self._generators = {}
        self.has_drawn = False

    def start_anew(self):
        """What is drawn next is what was drawn first."""
        for generator in self._generators.values():
            generator.manual_seed(0)

    def dispatch(self, operation, arguments, options):
        """The result of an operation, with the generators' numbers where it draws."""
        if operation is torch.ops.aten.native_dropout.default:
            self.has_drawn = True
            return self._dropout(*arguments, **options)
        drawing = _taking_a_generator(operation)
        if drawing is not None and options.get("generator") is None:
            self.has_drawn = True
            options = {**options, "generator": self._generator(arguments, options)}
            operation = drawing
        return operation(*arguments, **options)

    def _dropout(self, x, rate, train):
        """GPUs fuse dropout into one operation, which takes no generator."""
        if not train:
            return x, torch.ones_like(x, dtype=torch.bool)
        kept = torch.rand(x.shape, generator=self._generator((x,), {}), device=x.device) >= rate
        return x * kept * (1.0 / (1.0 - rate) if rate < 1.0 else 0.0), kept

    def _generator(self, arguments, options):
        tensors = [a for a in arguments if isinstance(a, torch.Tensor)]
        device = torch.device(tensors[0].device if tensors else options.get("device") or "cpu")
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(0)
        return self._generators[device]


def _taking_a_generator(operation):
    """The operation's form that takes a generator, or None where it draws nothing."""
    if any(argument.name == "generator" for argument in internals.schema.of(operation).arguments):
        return operation
    overload = internals.overload_name.of(operation)
    name = "generator" if overload == "default" else f"{overload}_generator"
    packet = operation.overloadpacket
    return getattr(packet, name) if name in packet.overloads() else None
