"""An import goes down the floors of ARCHITECTURE.md, never up."""

import ast
import subprocess
import sys
from pathlib import Path

import keras
import pytest

PACKAGE = Path(__file__).parent.parent / "keras_dlnotes"

FLOORS = {
    "backend": 0,
    "numerics": 1,
    "measures": 1,
    "summaries": 2,
    "instrumentation": 2,
    "plots": 2,
    "constraints": 2,
    "optimizers": 3,
    "layers": 3,
    "regularizers": 3,
    "initializers": 3,
    "augmentation": 3,
    "stopping": 3,
    "gradient_check": 3,
    "diagnosis": 3,
    "remedies": 4,
    "callbacks": 5,
    "tuning": 5,
}
# What a floor may import from outside the package and the standard library.
THIRD_PARTY = {
    0: {"keras", "numpy", "tensorflow", "jax", "torch"},
    1: {"keras", "numpy"},
    2: {
        "keras",
        "numpy",
        "tensorboard",
        "google_crc32c",
        "keras_dlnotes_layers",
        "matplotlib",
        "mlflow",
        "pyarrow",
        "wandb",
    },
    3: {"keras", "numpy", "scipy", "cv2"},
    4: {"keras", "numpy"},
    5: {
        "keras",
        "numpy",
        "optuna",
        "filelock",
        "sqlalchemy",
        "matplotlib",
        "rich",
        "tqdm",
    },
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported_names(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full, not relative"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    parts = path.relative_to(PACKAGE).parts
    if len(parts) == 1:
        return  # the package's own front door sits on top of all floors
    assert parts[0] in FLOORS, f"{parts[0]}/ has no floor in ARCHITECTURE.md"
    floor = FLOORS[parts[0]]
    for name in imported_names(path):
        top, *rest = name.split(".")
        if top == "keras_dlnotes":
            if not rest:
                continue
            target = rest[0]
            same_room = target == parts[0]
            assert same_room or FLOORS.get(target, 99) < floor, (
                f"{path.name} on floor {floor} imports {name} on floor {FLOORS.get(target)}"
            )
        elif top not in sys.stdlib_module_names:
            assert top in THIRD_PARTY[floor], f"{path.name} on floor {floor} imports {name}"
        if top in ("optuna", "filelock", "sqlalchemy"):
            assert parts[0] == "tuning", f"{name} is optional: it belongs into tuning/"
        if floor == 0 and top in ("tensorflow", "jax", "torch"):
            assert parts[1] == top, f"{name} belongs into backend/{top}/"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_are_rooms_not_halls(path):
    # Split where a reader would look for a part: this catches only what nobody has split.
    assert len(path.read_text().splitlines()) <= 400
    assert path.stem not in ("utils", "helpers", "common")


def test_importing_the_package_imports_no_other_backend_and_no_optuna():
    backend = keras.backend.backend()
    others = {"tensorflow", "jax", "torch"} - {backend}
    code = (
        "import keras, sys; before = set(sys.modules); import keras_dlnotes;"
        "print([m for m in ('tensorflow', 'jax', 'torch', 'optuna', 'mlflow', 'pyarrow', 'wandb')"
        " if m in sys.modules and m not in before])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]", f"imported besides {backend}: {result.stdout} {others}"
