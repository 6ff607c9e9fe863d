"""Names that other libraries do not promise to keep, and what is done where one has moved.

They stand in tables, each entry with what needs it and what happens without it: Keras's in
`backend/internals.py`, those of a backend's library in `internals.py` of its folder, Optuna's in
`tuning/internals.py`. Nothing is looked up before it is needed, so only the part that needs a moved
name fails, with a message that says so, and not the import of this package.
"""

import abc
import functools
import importlib
import sys
import warnings
from dataclasses import KW_ONLY, dataclass
from types import ModuleType
from typing import Any

import keras

_ABSENT: Any = object()
_warned_of: set[str] = set()


class PrivateNameError(ImportError):
    """A private name of another library is not where it was; the message says what needs it."""


@dataclass(frozen=True, eq=False)
class PrivateName(abc.ABC):
    """An entry of a table.

    Args:
        place: `module:name`.
        used_for: what needs it.
        without_it: what happens if it is not there.
        known_in: the versions of the library in which it has been seen.
        backends: those of Keras's on which it is there.
    """

    place: str
    used_for: str
    without_it: str
    _: KW_ONLY
    known_in: str
    backends: tuple[str, ...] = ("tensorflow", "jax", "torch")

    @property
    def path(self) -> str:
        """The name with all that is before it."""
        return self.place.replace(":", ".").rstrip(".")

    @property
    def library(self) -> str:
        """The library that has the name."""
        return self.path.partition(".")[0]

    @abc.abstractmethod
    def is_there(self) -> bool:
        """Whether the installed library has the name, as far as it shows without an object."""

    def error(self, received: str = "") -> PrivateNameError:
        """What is raised where the name is missing.

        Args:
            received: what else is known of the place where it is missing.
        """
        version = getattr(sys.modules.get(self.library), "__version__", "")
        return PrivateNameError(
            f"Expected the private name {self.path}, which is known in {self.library} "
            f"{self.known_in}, for {self.used_for}. Received: {self.library} {version}{received}, "
            f"without that name. So {self.without_it}. Install a version in which it is known, or "
            "a newer keras_dlnotes."
        )

    def warn(self) -> None:
        """Warns, once, that something goes on without the name."""
        if self.path not in _warned_of:
            _warned_of.add(self.path)
            warnings.warn(str(self.error()), stacklevel=4)


class Imported(PrivateName):
    """A function, class or table of a module."""

    @functools.cached_property
    def value(self) -> Any:
        """What the name stands for."""
        return getattr(*self.found_in)

    def value_or(self, default: Any) -> Any:
        """What the name stands for; with a warning the default, where it is missing."""
        try:
            return self.value
        except PrivateNameError:
            self.warn()
            return default

    @property
    def found_in(self) -> tuple[Any, str]:
        """The module or class that holds it, and its name there, to replace it by."""
        try:
            holder, name = _holder(self.place)
        except (ImportError, AttributeError) as reason:
            raise self.error() from reason
        if not hasattr(holder, name):
            raise self.error()
        return holder, name

    def is_there(self) -> bool:
        """Whether the installed library has the name."""
        try:
            return bool(self.found_in)
        except PrivateNameError:
            return False


@dataclass(frozen=True, eq=False)
class Attribute(PrivateName):
    """An attribute of objects; in `place`, after the name of their class.

    Args:
        always: whether each of these objects has it from the start.
    """

    _: KW_ONLY
    always: bool = True

    @functools.cached_property
    def name(self) -> str:
        """The attribute's own name."""
        return self.place.rpartition(".")[2]

    @functools.cached_property
    def owner(self) -> Any:
        """The class of the objects that have it; None if that has moved as well."""
        return _found(self.place.rpartition(".")[0])

    def of(self, item: Any, default: Any = _ABSENT) -> Any:
        """The attribute of an object.

        Args:
            item: the object.
            default: what to return if it has none; where it ought to have one, a warning says so
                once. Left out, this is an error.
        """
        value = getattr(item, self.name, _ABSENT)
        if value is not _ABSENT:
            return value
        if default is _ABSENT:
            raise self.error(f", and an object of class {type(item).__name__}")
        expected = self.always and keras.backend.backend() in self.backends
        if expected and self.owner is not None and isinstance(item, self.owner):
            self.warn()
        return default

    def name_on(self, item: Any) -> str:
        """The attribute's name, of an object that has it, to replace it by."""
        self.of(item)
        return self.name

    def set(self, item: Any, value: Any) -> None:
        """Sets the attribute of an object that has it."""
        setattr(item, self.name_on(item), value)

    def is_there(self) -> bool:
        """Whether the class of the objects is there; only an object shows the attribute."""
        return self.owner is not None


class Method(Attribute):
    """A method of objects; calling the entry calls it."""

    def __call__(self, item: Any, *arguments: Any, **options: Any) -> Any:
        """What the object's method returns."""
        return self.of(item)(*arguments, **options)

    def is_there(self) -> bool:
        """Whether the class of the objects has the method."""
        return hasattr(self.owner, self.name)


class Overridden(Method):
    """A method that classes of this package override, so that the library calls theirs."""

    def expect(self) -> None:
        """Raises an error where the library has no such method, and would not call theirs."""
        if not self.is_there():
            raise self.error()


class Prefix(Attribute):
    """What the names of several attributes begin with."""


@dataclass(frozen=True, eq=False)
class Folder(PrivateName):
    """Where a library defines classes and functions of one kind, by which they are recognised.

    `place` is what the names of the modules begin with.

    Args:
        holds: some that are defined there, as `module:name`, with names that are public.
    """

    holds: tuple[str, ...]

    def defines(self, item: Any) -> bool:
        """Whether a class or function is defined there."""
        if self._lost:
            self.warn()
        return self._has(item)

    @functools.cached_property
    def _lost(self) -> bool:
        return not self.is_there()

    def is_there(self) -> bool:
        """Whether all that it is known to hold is there."""
        return all(self._has(_found(place)) for place in self.holds)

    def _has(self, item: Any) -> bool:
        return (getattr(item, "__module__", None) or "").startswith(self.place)


def entries(table: ModuleType) -> dict[str, PrivateName]:
    """The entries of a table, by their names there; those of a tuple are numbered."""
    found: dict[str, PrivateName] = {}
    for name, value in vars(table).items():
        if isinstance(value, PrivateName):
            found[name] = value
        elif isinstance(value, tuple):
            parts = enumerate(value)
            found |= {f"{name}[{i}]": part for i, part in parts if isinstance(part, PrivateName)}
    return found


def _holder(place: str) -> tuple[Any, str]:
    """What holds a name that is given as `module:name`, and the last part of the name."""
    module, _, path = place.partition(":")
    *parts, name = path.split(".")
    return functools.reduce(getattr, parts, importlib.import_module(module)), name


def _found(place: str) -> Any:
    try:
        return getattr(*_holder(place))
    except (ImportError, AttributeError):
        return None
