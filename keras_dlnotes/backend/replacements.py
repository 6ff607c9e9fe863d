"""Methods and functions of other code, replaced for as long as a block runs: here alone.

One rule. What belongs to a single object is replaced on that object: `patched`. What all share, a
function or a table of a module or class, is replaced for the running thread alone: `replaced_here`.
A gradient check runs inside `fit`, while threads of a `PyDataset` prepare the next batches: what
the check needs changed must not change for them. So a switch takes the place of the shared thing
and asks which thread calls. It is put in and taken out here alone, under a lock.
"""

import contextlib
import functools
import threading
import types


@contextlib.contextmanager
def patched(replacements):
    """Replaces attributes of single objects, and puts back exactly what was there.

    The instance dictionary is written directly: Keras, TensorFlow and torch all hook attribute
    assignment to track what is assigned, and a replaced method is nothing to be tracked.

    Args:
        replacements: list of `(object, name, value)`.

    Raises:
        TypeError: for an attribute of a class or module, which others would see replaced as well.
    """
    before = []
    try:
        for item, name, value in replacements:
            if isinstance(item, type | types.ModuleType):
                raise TypeError(
                    "Expected a single object. Received: the attribute "
                    f"{name!r} of {item!r}, which all threads share. Use `replaced_here`."
                )
            attributes = item.__dict__
            before.append((attributes, name, name in attributes, attributes.get(name)))
            attributes[name] = value
        yield
    finally:
        for attributes, name, was_there, value in reversed(before):
            if was_there:
                attributes[name] = value
            else:
                attributes.pop(name, None)


_lock = threading.Lock()
_switches: dict = {}


def replaced_here(owner, name, make):
    """Scope in which an attribute of a module or class is replaced for the running thread.

    As long as any thread is in such a scope, a switch takes the attribute's place. It asks which
    thread calls and takes no lock, so that a process may be forked at any time.

    Args:
        owner: module or class.
        name: of a function, or of a dict of which only `get` is used.
        make: takes what was there and returns what stands in its place, of the same kind.
    """
    return _showing((owner, name), functools.partial(_AttributeSwitch, owner, name), make)


def replaced_by_code_here(function, make):
    """As `replaced_here`, for a Python function that many modules import by its name.

    Args:
        function: it stays the same object, and its code asks which thread calls.
        make: takes a function that does what it did, and returns the one in its place.
    """
    return _showing(function, functools.partial(_CodeSwitch, function), make)


@contextlib.contextmanager
def _showing(key, new_switch, make):
    with _lock:
        switch = _switches.get(key)
        if switch is None:
            switch = new_switch()
            switch.install()
            _switches[key] = switch
        switch.users += 1
    try:
        switch.values.append(make(switch.original))
        try:
            yield
        finally:
            switch.values.pop()
    finally:
        with _lock:
            switch.users -= 1
            if not switch.users:
                switch.remove()
                del _switches[key]


class _Switch:
    """Knows what each thread sees in the place of something."""

    def __init__(self, original):
        self.original = original
        self.users = 0
        self._of_thread = threading.local()

    @property
    def values(self):
        """The running thread's values, the innermost scope's last."""
        return self._of_thread.__dict__.setdefault("values", [])

    def current(self):
        """What the running thread sees."""
        values = self.values
        return values[-1] if values else self.original


class _AttributeSwitch(_Switch):
    """In the place of an attribute."""

    def __init__(self, owner, name):
        super().__init__(vars(owner)[name])
        self._owner, self._name = owner, name

    def install(self):
        original = self.original
        if isinstance(original, dict):
            setattr(self._owner, self._name, _SwitchedTable(self))
            return

        @functools.wraps(original)
        def switched(*arguments, **options):
            return self.current()(*arguments, **options)

        setattr(self._owner, self._name, switched)

    def remove(self):
        setattr(self._owner, self._name, self.original)


class _SwitchedTable(dict):
    """A dict whose `get` is that of the running thread's."""

    def __init__(self, switch):
        super().__init__(switch.original)
        self._switch = switch

    def get(self, key, default=None):
        return self._switch.current().get(key, default)


class _CodeSwitch(_Switch):
    """In the place of a function's code."""

    def __init__(self, function):
        code, names = function.__code__, function.__globals__
        super().__init__(types.FunctionType(code, names, argdefs=function.__defaults__))
        self._function, self._before = function, function.__kwdefaults__

    def install(self):
        self._function.__kwdefaults__ = {"switch": self}
        self._function.__code__ = _ask.__code__

    def remove(self):
        self._function.__code__ = self.original.__code__
        self._function.__kwdefaults__ = self._before


def _ask(*arguments, switch, **options):
    return switch.current()(*arguments, **options)
