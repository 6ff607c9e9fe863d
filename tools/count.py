"""Counts what makes the package hard to take over: size, private names, caught errors, annotations.

    python tools/count.py            the numbers
    python tools/count.py --list     and each place of a private name, with file and line
    python tools/count.py --root DIR the same of another checkout

It reads the sources and imports none of them.
"""

import argparse
import ast
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("keras_dlnotes", "keras_dlnotes_layers")
# The modules that may name what another library keeps private.
TABLES = "internals.py"
# Folders whose names do not say that they are private.
_PRIVATE_FOLDERS = ("keras.src", "tensorflow.python")
_LIBRARIES = ("jax", "keras", "optuna", "tensorboard", "tensorflow", "tf", "torch")
# What `typing.NamedTuple` documents.
_OF_NAMED_TUPLES = {"_asdict", "_field_defaults", "_fields", "_make", "_replace"}
_BY_NAME = {"delattr", "getattr", "hasattr", "setattr"}


@dataclass(frozen=True, order=True)
class Place:
    """Where a name that another library keeps private stands.

    Args:
        path: of the module, from the root on.
        line: its number.
        name: what is named.
    """

    path: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.name}"


@dataclass
class _Class:
    """A class of the packages, with the private names that its code defines."""

    bases: list[str]
    names: set[str]


def modules(root: Path = ROOT, packages: tuple[str, ...] = PACKAGES) -> list[Path]:
    """The packages' modules."""
    return sorted(path for package in packages for path in (root / package).rglob("*.py"))


def private_names(root: Path = ROOT) -> list[Place]:
    """Each place outside the tables where code names what another library keeps private.

    These are: an import of a private module or name; an attribute `_name` of anything but an
    object of the packages; text that names such an attribute or such a module. An attribute of
    `self` counts where neither the class nor one that it is related to defines it. An attribute of
    anything else counts where no code of the packages defines the name, or a table lists it.
    """
    trees = {path: ast.parse(path.read_text()) for path in modules(root)}
    listed = _names_in_tables()
    families = _families(trees.values())
    own = _own_names(trees.values()) | set().union(*families.values())
    found = set()
    for path, tree in trees.items():
        if path.name != TABLES:
            reader = _Reader(str(path.relative_to(root)), families, own, listed)
            reader.visit(tree)
            found |= reader.found
    return sorted(found)


class _Reader(ast.NodeVisitor):
    """Collects the places of one module."""

    def __init__(
        self, path: str, families: dict[str, set[str]], own: set[str], listed: set[str]
    ) -> None:
        self.found: set[Place] = set()
        self._path = path
        self._families = families
        self._own = own
        self._listed = listed
        self._classes: list[str] = []

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if _is_private_path(alias.name):
                self._add(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if module.partition(".")[0] in PACKAGES:
            return
        for alias in node.names:
            path = f"{module}.{alias.name}"
            if module != "__future__" and _is_private_path(path):
                self._add(node, path)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._classes.append(node.name)
        self.generic_visit(node)
        self._classes.pop()

    def visit_Attribute(self, node: ast.Attribute) -> None:
        whole = ast.unparse(node)
        if whole in _PRIVATE_FOLDERS or (_is_private(node.attr) and not self._is_own(node)):
            self._add(node, whole)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func.id if isinstance(node.func, ast.Name) else ""
        if function in _BY_NAME and len(node.args) > 1:
            name = node.args[1]
            if isinstance(name, ast.JoinedStr):
                name = name.values[0]
            if isinstance(name, ast.Constant) and _is_private(str(name.value)):
                receiver = node.args[0]
                if not (_is_self(receiver) or name.value in self._own):
                    self._add(node, str(name.value))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        text = node.value
        if isinstance(text, str):
            listed = text in self._listed and text not in self._family()
            if listed or (_is_path(text) and _is_private_path(text)):
                self._add(node, text)

    def _is_own(self, node: ast.Attribute) -> bool:
        name, receiver = node.attr, node.value
        if name in _OF_NAMED_TUPLES:
            return True
        if _is_self(receiver):
            return name in self._family()
        if isinstance(receiver, ast.Call) and ast.unparse(receiver.func) == "super":
            return name in self._family()  # the class overrides it, and calls what it overrides
        return name in self._own and name not in self._listed

    def _family(self) -> set[str]:
        """The private names that the class around and those related to it define."""
        return self._families.get(self._classes[-1], set()) if self._classes else set()

    def _add(self, node: ast.expr | ast.stmt, name: str) -> None:
        self.found.add(Place(self._path, node.lineno, name))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name.strip("_") != ""


def _is_path(text: str) -> bool:
    parts = text.rstrip(".").replace(":", ".").split(".")
    return len(parts) > 1 and parts[0] in _LIBRARIES and all(map(str.isidentifier, parts))


def _is_private_path(path: str) -> bool:
    path = path.replace(":", ".")
    folder = any(path == known or path.startswith(f"{known}.") for known in _PRIVATE_FOLDERS)
    return folder or any(map(_is_private, path.split(".")))


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("cls", "self")


def _names_in_tables() -> set[str]:
    """The attributes that this checkout's tables list."""
    names = {
        node.value.rpartition(".")[2].rpartition(":")[2]
        for path in modules()
        if path.name == TABLES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {name for name in names if name.isidentifier() and _is_private(name)}


def _own_names(trees: "Iterator[ast.Module] | list[ast.Module]") -> set[str]:
    """The private names that modules define: functions, classes and variables."""
    names = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return set(filter(_is_private, names))


def _families(trees: "Iterator[ast.Module] | list[ast.Module]") -> dict[str, set[str]]:
    """For each class the private names that it and the classes related to it define."""
    classes: dict[str, _Class] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                known = classes.setdefault(node.name, _Class([], set()))
                known.bases += [ast.unparse(base).rpartition(".")[2] for base in node.bases]
                known.names |= set(filter(_is_private, _defined_in(node)))
    families = {name: {name} for name in classes}
    for name, found in classes.items():
        for base in found.bases:
            if base in families:
                joined = families[name] | families[base]
                for member in joined:
                    families[member] = joined
    return {
        name: set().union(*(classes[member].names for member in members))
        for name, members in families.items()
    }


def _defined_in(node: ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef):
            yield statement.name
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            if _is_self(inner.value):
                yield inner.attr
        elif ast.unparse(inner).startswith("self.__dict__['"):
            yield ast.unparse(inner).split("'")[1]


def broad_handlers(root: Path = ROOT) -> list[Place]:
    """Each `except Exception`, and what is as broad."""
    found = []
    for path in modules(root, PACKAGES[:1]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                kinds = "BaseException" if node.type is None else ast.unparse(node.type)
                if {"Exception", "BaseException"} & set(kinds.strip("()").split(", ")):
                    found.append(Place(str(path.relative_to(root)), node.lineno, kinds))
    return found


def untyped_functions(root: Path = ROOT) -> list[Place]:
    """Each public function or method whose signature leaves something out."""
    return [
        Place(str(path.relative_to(root)), function.lineno, name)
        for path in modules(root, PACKAGES[:1])
        for name, function, is_method in _public(ast.parse(path.read_text()).body, "")
        if not _is_annotated(function, is_method)
    ]


def _public(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef, bool]]:
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield prefix + node.name, node, bool(prefix)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public(node.body, f"{prefix}{node.name}.")


def _is_annotated(function: ast.FunctionDef, is_method: bool) -> bool:
    given = function.args
    static = any(ast.unparse(each) == "staticmethod" for each in function.decorator_list)
    arguments = [*given.posonlyargs, *given.args][1 if is_method and not static else 0 :]
    arguments += [*given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    return function.returns is not None and all(a.annotation is not None for a in arguments)


def main() -> None:
    """Prints the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="list the places of private names")
    parser.add_argument("--root", type=Path, default=ROOT, help="a checkout")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    lines = {p: len(p.read_text().splitlines()) for p in modules(root, PACKAGES[:1])}
    largest = max(lines, key=lambda path: lines[path])
    places = private_names(root)
    attributes = {place.name.rpartition(".")[2] for place in places}
    for what, number in (
        ("modules of keras_dlnotes", len(lines)),
        ("lines", sum(lines.values())),
        ("lines of the median module", round(statistics.median(lines.values()))),
        ("lines of the largest module", f"{lines[largest]} ({largest.relative_to(root)})"),
        ("private names of other libraries", f"{len(places)} places, {len(attributes)} names"),
        ("handlers of every exception", len(broad_handlers(root))),
        ("public functions without annotations", len(untyped_functions(root))),
    ):
        print(f"{what:40}{number}")
    if arguments.list:
        print(*places, sep="\n")


if __name__ == "__main__":
    main()
