"""Runs a quick part of the tests on the oldest and the newest versions that are accepted.

    python tools/versions.py                      every set, into .versions/
    python tools/versions.py --only jax,oldest    the sets whose name has all of these

A set is a backend, "oldest" or "newest", and a Python interpreter: each of `--pythons` that is
found. It has a virtual environment of its own. The oldest versions are the lower bounds in
pyproject.toml, so that these stay true. The last lines are a Markdown table for docs/versions.md.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".versions"
PYTHONS = ("3.11", "3.12", "3.13")
# For newer Pythons the oldest libraries were not built.
OLDEST_PYTHONS = ("3.11", "3.12")
# One part of each kind: what is saved, what runs in a step, what a callback does.
TESTS = [
    "tests/test_public_api.py",
    "tests/test_saved_files.py",
    "tests/initializers",
    "tests/regularizers",
    "tests/stopping",
    "tests/layers/test_batch_normalization.py",
    "tests/optimizers/test_first_order_formulas.py",
    "tests/optimizers/test_gauss_newton.py",
    "tests/optimizers/test_lbfgs.py",
    "tests/optimizers/test_newton.py",
    "tests/callbacks/test_training_monitor.py",
    "tests/callbacks/test_diagnosis.py",
    "tests/callbacks/test_early_stopping.py",
    "tests/gradient_check/test_check_gradients.py",
    "tests/summaries",
    "tests/tuning/test_search.py",
]
OF_TESTS = ("matplotlib", "pytest>=8", "scikit-learn", "scipy")
SHOWN = ("keras", "numpy", "tensorboard", "optuna")


def requirements(age, backend):
    """What is installed: the lower bounds themselves, or the newest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    found = [*project["dependencies"], *extras[backend], *extras["tuning"]]
    found = [_for_this_machine(requirement) for requirement in found]
    return [_lowest(requirement) for requirement in found] if age == "oldest" else found


def _for_this_machine(requirement):
    """TensorFlow's CPU build where there is one: a third of the size."""
    small = sys.platform == "linux" and platform.machine() == "x86_64"
    return re.sub(r"^tensorflow\b", "tensorflow-cpu", requirement) if small else requirement


def _lowest(requirement):
    """`keras>=3.12` as `keras==3.12.*`; with three numbers the release itself."""
    name, bound = requirement.split(">=")
    return f"{name}=={bound}" + (".0.*", ".*", "")[bound.count(".")]


def interpreter(version):
    """The path of a Python of this version, or None."""
    known = Path.home() / ".pyenv" / "versions"
    named = [shutil.which(f"python{version}"), *sorted(known.glob(f"{version}.*/bin/python"))]
    for path in filter(None, named):
        said = subprocess.run([path, "-V"], capture_output=True, text=True, check=False).stdout
        if said.startswith(f"Python {version}."):
            return str(path)
    return None


def try_set(name, backend, age, python):
    """Installs a set and runs the tests on it: a row of the table."""
    folder = FOLDER / name
    own = folder / "bin" / "python"
    log = (FOLDER / f"{name}.txt").open("w")

    def run(*command, **options):
        return subprocess.run(
            command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, check=False, **options
        ).returncode

    if not own.exists():
        run(python, "-m", "venv", str(folder))
    install = [str(own), "-m", "pip", "install", "--quiet", "--upgrade"]
    wanted = requirements(age, backend)
    if run(*install, *wanted, *OF_TESTS) or run(*install, "--no-deps", "-e", "."):
        return [name, "", "cannot be installed"]
    begin = time.perf_counter()
    # Older versions warn of what newer ones have settled: a warning is no failure here.
    options = ["-p", "no:cacheprovider", "-o", "filterwarnings=default"]
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    run(str(own), "-m", "pytest", *options, *TESTS, env=environment)
    log.close()
    last = (FOLDER / f"{name}.txt").read_text().strip().splitlines()[-1]
    counts = ", ".join(re.findall(r"\d+ (?:passed|failed|errors?)", last)) or "no test ran"
    return [name, _versions(own, backend), f"{counts}; {time.perf_counter() - begin:.0f} s"]


def _versions(python, backend):
    names = (*SHOWN, "tensorflow-cpu" if backend == "tensorflow" else backend)
    code = (
        "from importlib.metadata import version, PackageNotFoundError\n"
        f"for name in {names}:\n"
        "    try: print(name, version(name), end=', ')\n"
        "    except PackageNotFoundError: pass\n"
    )
    command = [str(python), "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return said.strip(", ")


def main():
    """Tries the sets, and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="parts of names, separated by commas")
    parser.add_argument("--pythons", nargs="+", default=list(PYTHONS))
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    rows = []
    for version in arguments.pythons:
        python = interpreter(version)
        for backend in ("tensorflow", "jax", "torch"):
            for age in ("oldest", "newest"):
                name = f"{backend}-{age}-{version}"
                built = age == "newest" or version in OLDEST_PYTHONS
                if not built or not all(part in name for part in arguments.only.split(",")):
                    continue
                if python is None:
                    rows.append([name, "", "no interpreter found"])
                else:
                    rows.append(try_set(name, backend, age, python))
                print(f"{name}: {rows[-1][2]}", flush=True)
    print("\n| set | versions | tests |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    sys.exit(not rows or any(not re.match(r"\d+ passed;", row[2]) for row in rows))


if __name__ == "__main__":
    main()
