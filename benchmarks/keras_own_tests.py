"""Runs Keras's own tests with this package's classes in the place of Keras's.

    python benchmarks/keras_own_tests.py                         # all three backends
    python benchmarks/keras_own_tests.py --backends jax --only adam sgd

The tests are those of the installed Keras, which come with its wheel; `--keras FOLDER` takes those
of another copy of the `keras` package. Arguments and defaults are translated: `SGD` with momentum
becomes `Momentum`, `L2(l2)` becomes `L2(2 * l2)`. Printed is how many tests of each module pass on
each backend, and each failure with its reason; one without a reason makes the program fail.
`docs/keras_compatibility.md` says what the reasons mean.
"""

import argparse
import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import types

MODULES = {
    "sgd": "keras.src.optimizers.sgd_test",
    "adam": "keras.src.optimizers.adam_test",
    "adagrad": "keras.src.optimizers.adagrad_test",
    "rmsprop": "keras.src.optimizers.rmsprop_test",
    "optimizer": "keras.src.optimizers.optimizer_test",
    "sparse": "keras.src.optimizers.optimizer_sparse_test",
    "early_stopping": "keras.src.callbacks.early_stopping_test",
    "batch_normalization": "keras.src.layers.normalization.batch_normalization_test",
    "initializers": "keras.src.initializers.random_initializers_test",
    "regularizers": "keras.src.regularizers.regularizers_test",
}
BACKENDS = ("tensorflow", "jax", "torch")
# Module, the test's name or a word of name or message, and why it fails.
DENSE = "asks for `self.assign`; here sparse gradients are made dense, and one update assigns all"
OF_A_RUN = "what the last run left is dropped when the first epoch begins, not in `on_train_begin`"
TRAIN_ONLY = "the penalty is 0 outside of a gradient, where the test calls it (not on torch)"
REASONS = [
    ("sgd", "test_invalid_momentum", "another wording of the same error"),
    ("adam", "amsgrad", "`amsgrad` is refused: the rule has no such form"),
    ("rmsprop", "momentum", "`momentum` is refused: the rule has no such form"),
    ("rmsprop", "centered", "`centered` is refused: the rule has no such form"),
    ("optimizer", "test_get_method", 'asks that `get("sgd")` is of our class; it is of Keras\'s'),
    ("optimizer", "test_optimizer_auto_naming", "the default name is that of our class"),
    ("sparse", "`amsgrad`", "`amsgrad` is refused: the rule has no such form"),
    ("sparse", "`momentum`", "`momentum` is refused: the rule has no such form"),
    ("sparse", "calling `assign`", DENSE),
    ("early_stopping", "test_state_reset_across_fit_calls", OF_A_RUN),
    ("batch_normalization", "renorm", "`renorm` is refused: the layer has no renormalization"),
    ("batch_normalization", "test_bn_basics", "one more variable, `total_weight`"),
    ("batch_normalization", "test_trainable_behavior", "one more variable, `total_weight`"),
    ("regularizers", "test_get_method", 'asks that `get("l1l2")` is of our class; it is Keras\'s'),
    ("regularizers", "test_l1l2_get_config", "the half in L2: `l2` is twice Keras's"),
    ("regularizers", "test_l1", TRAIN_ONLY),
    ("regularizers", "test_l1_l2", TRAIN_ONLY),
    ("regularizers", "test_l2", TRAIN_ONLY),
    ("regularizers", "test_l2_is_larger_than_l1_for_large_weights", TRAIN_ONLY),
    ("regularizers", "test_l2_is_smaller_than_l1_for_small_weights", TRAIN_ONLY),
]


def stand_in(name, make):
    """A class of Keras's name and arguments, whose instances are ours."""
    kinds = []

    def new(cls, *args, **kwargs):
        made = make(*args, **kwargs)
        kinds.append(type(made))
        return made

    def from_config(config):
        return kinds[-1].from_config(config)  # a configuration is that of an instance made before

    return type(name, (), {"__new__": new, "from_config": staticmethod(from_config)})


def our_classes():
    """For each package of Keras, what stands in the place of its classes."""
    import keras

    import keras_dlnotes as kd

    def sgd(learning_rate=0.01, momentum=0.0, nesterov=False, **kwargs):
        if not momentum:
            return kd.optimizers.GradientDescent(learning_rate, **kwargs)
        kind = kd.optimizers.NesterovMomentum if nesterov else kd.optimizers.Momentum
        return kind(learning_rate, momentum, **kwargs)

    def adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, **kwargs):
        form = {"bias_correction": True, "epsilon_mode": "outside_uncorrected", "amsgrad": amsgrad}
        return kd.optimizers.Adam(learning_rate, beta_1, beta_2, epsilon, **form, **kwargs)

    def adagrad(learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7, **kwargs):
        start = {"initial_accumulator_value": initial_accumulator_value}
        return kd.optimizers.AdaGrad(learning_rate, epsilon, **start, **kwargs)

    def rmsprop(learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False, **kwargs):
        other = {"momentum": momentum, "centered": centered}
        return kd.optimizers.RMSProp(learning_rate, rho, epsilon, **other, **kwargs)

    def random_normal(mean=0.0, stddev=0.05, seed=None):
        if mean:
            return keras.initializers.RandomNormal(mean, stddev, seed)
        return kd.initializers.SmallRandom(stddev, seed)

    makers = {
        "optimizers": {"SGD": sgd, "Adam": adam, "Adagrad": adagrad, "RMSprop": rmsprop},
        "initializers": {
            "RandomNormal": random_normal,
            "HeNormal": lambda seed=None: kd.initializers.He(seed),
            "LecunNormal": lambda seed=None: kd.initializers.Xavier(seed),
        },
        "regularizers": {
            "L1": lambda l1=0.01: kd.regularizers.L1(l1),
            "L2": lambda l2=0.01: kd.regularizers.L2(2 * l2),
            "L1L2": lambda l1=0.0, l2=0.0: kd.regularizers.L1L2(l1, 2 * l2),
        },
    }
    classes = {
        part: {name: stand_in(name, make) for name, make in each.items()}
        for part, each in makers.items()
    }
    classes["layers"] = {"BatchNormalization": kd.layers.BatchNormalization}
    classes["callbacks"] = {"EarlyStopping": kd.callbacks.EarlyStopping}
    return classes


@contextlib.contextmanager
def in_the_place_of_keras(classes):
    """While it lasts, test modules that are imported find our classes; Keras itself does not."""
    import keras.src

    changed = []

    def put(owner, name, value):
        changed.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    for part, names in classes.items():
        real = getattr(keras.src, part)
        proxy = types.ModuleType(real.__name__)
        proxy.__getattr__ = lambda name, real=real: getattr(real, name)
        for name, item in names.items():
            setattr(proxy, name, item)
            put(sys.modules[getattr(real, name).__module__], name, item)
        put(keras.src, part, proxy)
    try:
        yield
    finally:
        for owner, name, value in reversed(changed):
            setattr(owner, name, value)


def stub_of_keras_conftest():
    """Keras's tests import its `conftest`, which its wheel does not hold."""
    import keras
    import pytest

    module = types.ModuleType("conftest")
    module.skip_if_backend = lambda name, reason: pytest.mark.skipif(
        keras.backend.backend() == name, reason=reason
    )
    return module


class Outcomes:
    """Collects what became of each test."""

    def __init__(self):
        self.tests = {}

    def pytest_runtest_logreport(self, report):
        """Called by pytest after each phase of a test."""
        name = report.nodeid.partition("::")[2]
        if report.when == "call" or report.outcome != "passed":
            message = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
            self.tests[name] = (report.outcome, message.partition("\n")[0][:300])


def run_here(names, target):
    """Runs the modules in this process, on its backend, and writes the outcomes as JSON."""
    import pytest

    sys.modules.setdefault("conftest", stub_of_keras_conftest())
    results = {}
    for name in names:
        with in_the_place_of_keras(our_classes()):
            module = importlib.import_module(MODULES[name])
        outcomes = Outcomes()
        options = ["-q", "--noconftest", "-p", "no:cacheprovider", "-c", os.devnull, "-W", "ignore"]
        with contextlib.redirect_stdout(sys.stderr):
            pytest.main([*options, "--rootdir", tempfile.gettempdir(), module.__file__], [outcomes])
        results[name] = outcomes.tests
    with open(target, "w") as file:
        json.dump(results, file)


def reason_of(module, test, message):
    """Why a test fails, or None."""
    for where, part, reason in REASONS:
        whole = part.startswith("test_")
        found = test.endswith("::" + part) if whole else part in test + message
        if where == module and found:
            return reason
    return None


def main():
    """Runs the modules on the backends and prints the table and the failures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--only", nargs="+", choices=MODULES, default=list(MODULES))
    parser.add_argument("--keras", help="folder that holds the `keras` package with its tests")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for a backend")
    parser.add_argument("--write", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        run_here(arguments.only, arguments.write)
        return
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    paths = [arguments.keras, root, os.environ.get("PYTHONPATH")]
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for backend in arguments.backends:
            target = os.path.join(folder, backend)
            environment = {
                **os.environ,
                "KERAS_BACKEND": backend,
                "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            }
            command = [sys.executable, __file__, "--write", target, "--only", *arguments.only]
            subprocess.run(
                command, env=environment, check=True, timeout=arguments.timeout, cwd=folder
            )
            with open(target) as file:
                results[backend] = json.load(file)

    print("| module | " + " | ".join(results) + " |")
    print("|---" * (1 + len(results)) + "|")
    for module in arguments.only:
        cells = []
        for found in results.values():
            outcomes = [outcome for outcome, _ in found[module].values() if outcome != "skipped"]
            cells.append(f"{outcomes.count('passed')} of {len(outcomes)}")
        print(f"| {module} | " + " | ".join(cells) + " |")
    unexplained = 0
    for backend, found in results.items():
        for module in arguments.only:
            for test, (outcome, message) in found[module].items():
                if outcome == "failed":
                    reason = reason_of(module, test, message)
                    unexplained += reason is None
                    print(f"{backend} {module} {test}: {reason or 'UNEXPLAINED: ' + message}")
    if unexplained:
        sys.exit(f"{unexplained} failures without a reason")


if __name__ == "__main__":
    main()
