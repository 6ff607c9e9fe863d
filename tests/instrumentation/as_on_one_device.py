"""Script: trains on one device and on several, and fails where what was recorded differs.

Arguments: what to compare (`statistics` or `findings`), how (`mirrored`, `workers`, `data`,
`model`, `ddp`), number of replicas, and for several processes the number of this one and a port.
Prints "as on one device" at its end.
"""

import contextlib
import datetime
import json
import os
import sys
import tempfile
import warnings

WHAT, HOW, REPLICAS = sys.argv[1], sys.argv[2], int(sys.argv[3])
RANK, PORT = (int(sys.argv[4]), int(sys.argv[5])) if len(sys.argv) > 4 else (0, 0)

strategy = None
distribution = None
if HOW in ("mirrored", "workers"):
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    if HOW == "mirrored":
        devices = [tf.config.LogicalDeviceConfiguration()] * REPLICAS
        tf.config.set_logical_device_configuration(cpu, devices)
        strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(REPLICAS)])
    else:
        workers = [f"localhost:{PORT + i}" for i in range(REPLICAS)]
        task = {"type": "worker", "index": RANK}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
elif HOW in ("data", "model"):
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={REPLICAS}"
else:
    import torch

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_dlnotes as kd  # noqa: E402
from keras_dlnotes.summaries import MemoryWriter  # noqa: E402

layers = keras.layers
warnings.simplefilter("error" if WHAT == "statistics" else "default")  # Keras warns of some faults
warnings.filterwarnings("ignore", message=".*__array__.*")
warnings.filterwarnings("ignore", message=".*`shuffle=True` was passed.*")

if HOW in ("data", "model"):
    devices = keras.distribution.list_devices()
    if HOW == "data":
        distribution = keras.distribution.DataParallel(devices=devices)
    else:
        shape = (REPLICAS // 2, 2)
        mesh = keras.distribution.DeviceMesh(shape, ("batch", "model"), devices)
        layout = keras.distribution.LayoutMap(mesh)
        layout["hidden.*kernel"] = (None, "model")
        # One that also fits what the monitor adds for the time of a step.
        layout[".*statistics"] = ("model",)
        distribution = keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(256, 6)).astype("float32")
SCORES = X @ DRAW.normal(size=(6, 3))
CLASSES = np.argmax(SCORES, 1)
ABOVE = (X[:, :1] > 0).astype("float32")
NUMBERS = SCORES[:, :1].astype("float32")
RATE = 0.1


class SeveralProcesses(keras.Sequential):
    """Trains through DistributedDataParallel, as it is where there is one process."""

    def train_step(self, data):
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        if torch.distributed.is_initialized() and "parallel" not in vars(self):
            # Past the tracking of attributes: it holds the model itself.
            vars(self)["parallel"] = torch.nn.parallel.DistributedDataParallel(self)
        self.zero_grad()
        y_pred = vars(self).get("parallel", self)(x, training=True)
        loss = self._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weights, training=True)
        self._loss_tracker.update_state(loss, sample_weight=len(x))
        loss.backward()
        variables = self.trainable_weights
        with torch.no_grad():
            self.optimizer.apply([v.value.grad for v in variables], variables)
        return self.compute_metrics(x, y, y_pred, sample_weight=weights)


def kind_of_model(several):
    if HOW == "ddp":
        return SeveralProcesses
    return documented_class() if HOW == "workers" and several else keras.Sequential


def documented_class():
    """The class that the documentation gives for several workers."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(root, "docs", "distributed.md")) as page:
        code = next(part for part in page.read().split("```") if "class SeveralWorkers" in part)
    names = {"__name__": "documented"}
    exec(code.removeprefix("python"), names)
    return names["SeveralWorkers"]


def train(
    several, make_layers, optimizer, loss, x, y, batch_size, epochs, callbacks, **compile_options
):
    """A model that was trained on one device or on several."""
    keras.utils.set_random_seed(0)
    scope = contextlib.ExitStack()
    if several and strategy is not None:
        scope.enter_context(strategy.scope())
    with scope:
        stack = make_layers()
        model = kind_of_model(several)(name="network", layers=[keras.Input(x.shape[1:]), *stack])
        model.compile(type(optimizer).from_config(optimizer.get_config()), loss, **compile_options)
    model.fit(
        **batches(several, x, y, batch_size),
        epochs=epochs,
        verbose=0,
        shuffle=False,
        callbacks=callbacks,
    )
    return model


def batches(several, x, y, batch_size):
    """What `fit` is given: of several torch processes each has its part of every batch."""
    starts = range(0, len(x), batch_size)
    parts = REPLICAS if several and HOW == "ddp" else 1
    rank = RANK if parts > 1 else 0
    if strategy is not None:
        dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)
    if HOW == "workers":
        return {"x": dataset.with_options(SHARDED)}
    if HOW == "mirrored" and WHAT == "findings":
        # Without an end: each epoch's own iterators over several devices take half a second.
        return {"x": dataset.repeat(), "steps_per_epoch": len(starts)}
    return {
        "x": Batches(
            [
                tuple(
                    np.array_split(part[start : start + batch_size], parts)[rank] for part in (x, y)
                )
                for start in starts
            ]
        ),
    }


if HOW == "workers":
    SHARDED = tf.data.Options()
    SHARDED.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA


class Batches(keras.utils.PyDataset):
    """A list of batches."""

    def __init__(self, items):
        super().__init__()
        self._items = items

    def __len__(self):
        return len(self._items)

    def __getitem__(self, place):
        # Copies: under MirroredStrategy TensorFlow may write into what it is given
        # (findings/keras_mirrored_overwrites_targets.sh).
        return tuple(part.copy() for part in self._items[place])


# --- statistics


def small_network():
    return [
        layers.Dense(8, "tanh", name="hidden_1"),
        layers.Dense(8, "relu", name="hidden_2"),
        layers.Dense(1, "sigmoid", name="out"),
    ]


def record(several, examples, folder, epochs, **options):
    """Writer, model and findings of a run that is measured at each step."""
    writer = MemoryWriter()
    diagnosis = kd.callbacks.Diagnosis(verbose=False, log_dir=folder)
    callbacks = [
        kd.callbacks.TrainingMonitor(writer=writer, every=1, histograms_every=2),
        kd.callbacks.TrainingMonitor(folder, every=2),
        diagnosis,
    ]
    gradients = kd.callbacks.GradientCheck(at=("start", "after:1"), action="raise")
    check = several and REPLICAS == 2 and epochs == 1
    model = train_small(several, examples, callbacks + [gradients] * check, epochs, **options)
    if check:
        assert gradients.reports["start"].passed
        assert gradients.reports["after:1"].passed
    return writer, model, [finding.cause for finding in diagnosis.findings]


def train_small(several, examples, callbacks, epochs, **options):
    return train(
        several,
        small_network,
        keras.optimizers.SGD(RATE),
        "binary_crossentropy",
        X[:examples],
        ABOVE[:examples],
        16,
        epochs,
        callbacks,
        metrics=["accuracy"],
        **options,
    )


def compare_statistics():
    # The last batch of the first run is split unevenly, and leaves some of four replicas without
    # examples. On JAX Keras takes only batches that the devices share evenly.
    last = {"mirrored": 5, "workers": 13, "ddp": 13, "data": 12, "model": 14}[HOW]
    runs = [(32 + last, 1)]
    if REPLICAS == 2 and HOW != "workers":  # which take long
        runs.append((48, 2))
    expected, together = alone_and_together(
        lambda: [record(False, n, tempfile.mkdtemp(), epochs) for n, epochs in runs],
        lambda: [measured_as_unwatched(n, epochs) for n, epochs in runs],
    )
    if RANK > 0:
        return
    for (examples, _), one, several in zip(runs, expected, together, strict=True):
        (reference, model, causes), (writer, other, found) = one, several
        even = examples == 48 or distribution is not None
        same_numbers(reference, writer, even)
        if even or HOW == "workers":
            assert found == causes
        if even:
            for weights, others in zip(model.get_weights(), other.get_weights(), strict=True):
                np.testing.assert_allclose(others, weights, rtol=1e-5, atol=1e-6)
    if distribution is not None and REPLICAS == 2:
        with in_distribution():
            writer, _, _ = record(True, 48, tempfile.mkdtemp(), 2, steps_per_execution=3)
        same_numbers(expected[1][0], writer, even=True)


def measured_as_unwatched(examples, epochs):
    """A run on several devices; fails if its weights are not those of one without callbacks."""
    folder = tempfile.mkdtemp()
    with in_distribution():
        writer, model, found = record(True, examples, folder, epochs)
        unwatched = train_small(True, examples, [], epochs)
    tolerance = 1e-6 if distribution is not None else 0.0  # XLA may fuse a recorded step otherwise
    for weights, others in zip(model.get_weights(), unwatched.get_weights(), strict=True):
        np.testing.assert_allclose(weights, others, rtol=tolerance, atol=tolerance)
    written = set(os.listdir(folder))
    if RANK > 0:
        assert not writer.scalars
        assert not writer.layers
        assert not written
    else:
        assert {"diagnosis.json"} < written
    return writer, model, found


def same_numbers(expected, writer, even):
    """Compares what two runs wrote.

    With an uneven last batch Keras and torch give each replica the same weight, so gradients and
    logs of that step are others than on one device; then it is compared with what was applied.
    """
    assert set(writer.scalars) == set(expected.scalars)
    assert {t: rows for t, (rows, _) in writer.layers.items()} == {
        t: rows for t, (rows, _) in expected.layers.items()
    }
    for tag, numbers in expected.scalars.items():
        if tag.startswith("monitor/"):
            continue
        one, other = np.array(numbers), np.array(writer.scalars[tag])
        of_last_step = not even and not tag.startswith(("activations/", "weights/"))
        if of_last_step:
            one, other = one[one[:, 0] < 2], other[other[:, 0] < 2]
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6, err_msg=tag)
    for tag, (_, numbers) in expected.layers.items():
        steps = slice(None) if even or tag.startswith(("activations/", "weights/")) else slice(2)
        for (step, one), (_, other) in zip(
            numbers[steps], writer.layers[tag][1][steps], strict=True
        ):
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6, err_msg=f"{tag} {step}")
    for tag, histograms in expected.histograms.items():
        for one, other in zip(histograms, writer.histograms[tag], strict=True):
            if even or one[0] < 2 or tag.startswith("activations/"):
                np.testing.assert_allclose(other[1:3], one[1:3], rtol=1e-5, atol=1e-6, err_msg=tag)
                np.testing.assert_array_equal(other[3], one[3], err_msg=tag)
    applied = 0
    for tag, numbers in writer.scalars.items():
        if tag.startswith("updates/"):
            name = tag.removeprefix("updates/").removesuffix("/ratio")
            norms = dict(writer.scalars[f"weights/{name}/norm"])
            gradients = dict(writer.scalars[f"gradients/{name}/norm"])
            for step, ratio in numbers:
                applied += 1
                np.testing.assert_allclose(ratio * norms[step], RATE * gradients[step], rtol=1e-4)
    assert applied > 10


# --- findings

D = layers.Dense
ADAM = keras.optimizers.Adam(0.01)
SPARSE = "sparse_categorical_crossentropy"
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def cases():
    """Name: (what makes the layers, optimizer, loss, inputs, targets)."""
    softmax = lambda: [D(16, "relu"), D(3, "softmax", name="out")]  # noqa: E731
    deep = lambda: [*(D(12, "sigmoid") for _ in range(4)), D(3, "softmax", name="out")]  # noqa: E731
    dead = keras.initializers.Constant(-30.0)
    return {
        "rate": (softmax, keras.optimizers.SGD(300.0), SPARSE, X, CLASSES),
        "one softmax unit": (
            lambda: [D(16, "relu"), D(1, "softmax")],
            ADAM,
            "binary_crossentropy",
            X,
            ABOVE,
        ),
        "dead": (lambda: [D(16, "relu", bias_initializer=dead), D(1)], ADAM, "mse", X, NUMBERS),
        "sigmoid": (deep, keras.optimizers.SGD(0.01), SPARSE, X, CLASSES),
        "logits": (softmax, ADAM, LOGITS, X, CLASSES),
        "unscaled": (softmax, keras.optimizers.SGD(0.3), SPARSE, X * 1000 + 500, CLASSES),
        "healthy rate": (softmax, keras.optimizers.SGD(0.3), SPARSE, X, CLASSES),
        "healthy sigmoid unit": (
            lambda: [D(16, "relu"), D(1, "sigmoid")],
            ADAM,
            "binary_crossentropy",
            X,
            ABOVE,
        ),
        "healthy relu": (lambda: [D(16, "relu"), D(1)], ADAM, "mse", X, NUMBERS),
        "healthy tanh": (lambda: [D(16, "tanh"), D(3, "softmax")], ADAM, SPARSE, X, CLASSES),
        "healthy logits": (lambda: [D(16, "relu"), D(3)], ADAM, LOGITS, X, CLASSES),
        "healthy adam": (softmax, ADAM, SPARSE, X, CLASSES),
    }


def findings(several, name, case):
    diagnosis = kd.callbacks.Diagnosis(verbose=False)
    # After 4 epochs, some healthy runs are rightly told that they have not finished.
    epochs = 12 if name.startswith("healthy") else 4
    train(several, *case, batch_size=32, epochs=epochs, callbacks=[diagnosis])
    details.append((name, several, [finding.evidence for finding in diagnosis.findings]))
    return [finding.cause for finding in diagnosis.findings]


details: list[tuple] = []  # what a failure shows


def compare_findings():
    def on_several():
        with in_distribution():
            return {name: findings(True, name, case) for name, case in cases().items()}

    alone, together = alone_and_together(
        lambda: {name: findings(False, name, case) for name, case in cases().items()}, on_several
    )
    if RANK == 0:
        assert together == alone, (together, alone, details)
    for name, found in together.items():
        assert bool(found) != name.startswith("healthy"), (name, found, details)
    if REPLICAS > 2:  # which changes nothing in how a copy is trained
        return
    diagnosis = kd.callbacks.Diagnosis(verbose=False, verify=True)
    with in_distribution():
        case = cases()["one softmax unit"]
        train(True, *case, batch_size=32, epochs=2, callbacks=[diagnosis])
    first = diagnosis.findings[0]
    if HOW == "ddp":
        assert "which train no copy" in first.not_tried
    else:
        assert first.verified["after"] > first.verified["before"], first


# --- processes


def in_distribution():
    return contextlib.nullcontext() if distribution is None else distribution.scope()


def alone_and_together(alone, together):
    """What two functions return: on one device, for the first process alone, and on several."""
    if HOW == "workers":  # which wait for each other from the start
        together = together()
        return alone() if RANK == 0 else None, together
    alone = alone() if RANK == 0 else None
    if HOW == "ddp":
        torch.distributed.init_process_group(
            "gloo",
            init_method=f"tcp://localhost:{PORT}",
            rank=RANK,
            world_size=REPLICAS,
            timeout=datetime.timedelta(seconds=300),
        )
    return alone, together()


{"statistics": compare_statistics, "findings": compare_findings}[WHAT]()
if HOW == "ddp":
    torch.distributed.barrier()
print("as on one device", flush=True)
