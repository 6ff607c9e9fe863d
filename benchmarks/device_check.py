"""What the parts of this package that work on every step cost on one GPU.

    python benchmarks/device_check.py
    python benchmarks/device_check.py --backends jax --parts updates lbfgs
    python benchmarks/device_check.py --small                            without a GPU: does it run?

Parts, each a table:

- `updates`: milliseconds of one Adam update: ours, Keras's, and optax's or torch's own.
- `steps`: TrainingMonitor on networks of `real_networks.py` at batch 64 in mixed precision: a plain
  step, and the ratios of whole `fit`s to plain ones, interleaved in one process.
- `lbfgs`: seconds to a given loss with a million weights, full batch, float32: ours in `fit`, and
  optax's or torch's own. See `second_order.py`.
- `start`: the ratio of the times from `fit` until 12 steps are over, compilation included, each in
  a fresh process.

Each backend and network is measured in a process of its own, which is stopped after `--child-limit`
seconds. After `--limit` seconds no further one is started. An error is printed, and the others go
on. Neither TensorFlow nor a network is needed.
"""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NETWORKS = ("transformer, 12 blocks", "ResNet50")
HEADS = {
    "updates": ["backend", "variables", "optimizer", "ms", "ours / it", "it / memory floor"],
    "steps": ["backend", "network", "policy", "plain step", "default (every=10)", "every=1"],
    "lbfgs": ["backend", "solver", "seconds", "evaluations (optax: iterations)", "loss"],
    "start": ["backend", "network", "policy", "plain, s", "with the monitor, s", "ratio"],
}


def device_name(backend):
    """The name of the card that the backend computes on."""
    if backend == "jax":
        import jax

        return jax.devices()[0].device_kind
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


def copy_seconds_per_byte(backend, small):
    """Seconds for each byte that a large copy on the device reads or writes."""
    size = 1_000_000 if small else 100_000_000
    if backend == "jax":
        import jax
        import jax.numpy as jnp

        source = jnp.ones(size, "float32")
        copy = jax.jit(lambda array: array + 1)
        run = lambda: jax.block_until_ready(copy(source))  # noqa: E731
    else:
        import torch

        source = torch.ones(size, device="cuda" if torch.cuda.is_available() else "cpu")
        target = torch.empty_like(source)

        def run():
            target.copy_(source)
            if torch.cuda.is_available():
                torch.cuda.synchronize()

    seconds = []
    for _ in range(10):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return min(seconds) / (2 * 4 * size)


def optax_update(shapes, repeats):
    """`optax.adam`, jitted, its state donated."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    rng = np.random.default_rng(0)
    arrays = lambda: [jnp.asarray(rng.normal(size=s), "float32") for s in shapes]  # noqa: E731
    weights, gradients = arrays(), arrays()
    rule = optax.adam(1e-3)

    def one(weights, state):
        updates, state = rule.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state

    compiled = jax.jit(one, donate_argnums=(0, 1))
    values = [weights, rule.init(weights)]

    def update():
        for _ in range(repeats):
            values[:] = compiled(*values)
        jax.block_until_ready(values)

    return update


def torch_adam(shapes, repeats, **form):
    """`torch.optim.Adam` in one of its forms."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    weights = [torch.randn(shape, device=device, requires_grad=True) for shape in shapes]
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    optimizer = torch.optim.Adam(weights, lr=1e-3, **form)

    def update():
        for _ in range(repeats):
            optimizer.step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return update


def updates(backend, network, small):
    """Rows of the table of Adam's updates."""
    import first_order_step
    import numpy as np

    shapes_of = {"20 of 1000x1000": [(1000, 1000)] * 20, "300 of 64": [(64,)] * 300}
    if small:
        shapes_of = {"2 of 100x100": [(100, 100)] * 2, "30 of 64": [(64,)] * 30}
    repeats, rounds = (2, 3) if small else (20, 15)
    per_byte = copy_seconds_per_byte(backend, small)
    for title, shapes in shapes_of.items():
        functions = {
            key: first_order_step.repeated_update(optimizer, shapes, repeats)
            for key, optimizer in first_order_step.optimizers_of("Adam").items()
        }
        if backend == "jax":
            functions["optax.adam"] = optax_update(shapes, repeats)
        else:
            functions["torch, foreach"] = torch_adam(shapes, repeats, foreach=True)
            functions["torch, fused"] = torch_adam(shapes, repeats, fused=True)
        seconds, _ = first_order_step.interleaved(functions, rounds)
        floor = 7 * 4 * sum(int(np.prod(shape)) for shape in shapes) * per_byte
        for key, taken in seconds.items():
            milliseconds, ratio = 1e3 * taken / repeats, seconds["ours"] / taken
            over_floor = taken / repeats / floor
            yield title, key, f"{milliseconds:.3f}", f"{ratio:.2f}", f"{over_floor:.1f}"


def in_mixed_precision(backend, measure):
    """The policy, and what `measure` gives under it: bfloat16, or float16 if torch has no other."""
    import keras

    policies = ["mixed_bfloat16"] + ["mixed_float16"] * (backend == "torch")
    for policy in policies:
        keras.mixed_precision.set_global_policy(policy)
        try:
            return policy, measure()
        except Exception:
            if policy == policies[-1]:
                raise
            traceback.print_exc()


def steps(backend, network, small):
    """The row of a network in the table of the monitor's cost."""
    import real_networks

    rounds, count, batch = (1, 4, 2) if small else (5, 100 if backend == "jax" else 40, 64)
    policy, (step, default, every) = in_mixed_precision(
        backend, lambda: real_networks.steps(network, rounds, count, batch)
    )
    yield network, policy, f"{1e3 * step:.1f} ms", f"{default:.3f}", f"{every:.3f}"


def lbfgs(backend, network, small):
    """Rows of the table of solvers."""
    import second_order

    peer = second_order.optax_lbfgs if backend == "jax" else second_order.torch_lbfgs
    name = "logistic" if small else "million"
    _, sizes, x, y, evaluations = next(t for t in second_order.tasks() if t[0] == name)
    # What SciPy's L-BFGS-B reaches after so many evaluations.
    scipy_run = second_order.scipy_lbfgs(
        sizes, x, y, -1.0, evaluations, closure_of=second_order.jax_closure
    )
    target = scipy_run()[2]
    results = second_order.compare(
        sizes, x, y, target, evaluations, (second_order.ours, peer), 2 if small else 7
    )
    for solver, (seconds, taken, loss) in results.items():
        reached = "-" if solver == "fit alone" else f"{loss:.3e}"
        late = f" (missed {target:.3e})" if loss > target else ""
        yield solver, f"{seconds:.3f}", str(taken), reached + late


def start(backend, network, small, monitored):
    """Seconds until 12 steps are over."""
    import real_networks

    policy, (seconds, _) = in_mixed_precision(
        backend, lambda: real_networks.start(network, monitored, 2 if small else 64)
    )
    yield network, policy, seconds


def run_child(part, backend, **arguments):
    """Measures in this process and prints the rows as JSON."""
    names = ["keras", backend, {"jax": "optax", "torch": "numpy"}[backend]]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    measure = {"updates": updates, "steps": steps, "lbfgs": lbfgs, "start": start}[part]
    rows = [list(row) for row in measure(backend, **arguments)]
    print(json.dumps({"device": f"{device_name(backend)}; {versions}", "rows": rows}))


class Children:
    """Starts the measuring processes, within the time that is left."""

    def __init__(self, limit, child_limit, small):
        self.end = time.monotonic() + limit
        self.child_limit = child_limit
        self.small = small
        self.announced = set()

    def rows(self, part, backend, network, **more):
        """What a child measures; None, its error printed, where it fails."""
        title = f"{part}, {backend}, {network}".rstrip(" ,")
        left = min(self.end - time.monotonic(), self.child_limit)
        if left < 5:
            say(f"{title}: left out, no time.")
            return None
        arguments = {"part": part, "backend": backend, "network": network, "small": self.small}
        command = [sys.executable, __file__, "--child", json.dumps({**arguments, **more})]
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "KERAS_BACKEND": backend, **settings(part, backend, cache)}
            try:
                result = subprocess.run(
                    command, env=environment, capture_output=True, text=True, timeout=left
                )
            except subprocess.TimeoutExpired:
                say(f"{title}: stopped after {left:.0f} s.")
                return None
        if result.returncode:
            say(f"{title}: failed.\n" + "\n".join(result.stderr.strip().splitlines()[-12:]))
            return None
        answer = json.loads(result.stdout.strip().splitlines()[-1])
        if backend not in self.announced:
            say(f"{backend}: {answer['device']}")
            self.announced.add(backend)
        print(f"{title}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        return answer["rows"]


def settings(part, backend, cache):
    """Variables of the environment of a child."""
    # JAX takes what it needs, so that it can stand beside torch; in torch's children it is SciPy's.
    of_all = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if backend == "torch":
        of_all["JAX_PLATFORMS"] = "cpu"
    if part == "steps":
        # The three models are the same program, which need not be compiled three times.
        of_all |= {"JAX_COMPILATION_CACHE_DIR": cache}
    if part == "lbfgs":
        # Without it products are in TensorFloat-32, and torch's are not.
        of_all |= {"JAX_DEFAULT_MATMUL_PRECISION": "highest"}
    return of_all


def say(text):
    """Prints at once, apart from a table."""
    print(f"\n{text}\n", flush=True)


def print_table(part, rows):
    """A table in Markdown."""
    heads = HEADS[part]
    lines = [heads, ["---"] * len(heads), *rows]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n", flush=True)


def start_row(children, backend, network):
    """The row of the time that the first steps take."""
    plain, watched = (
        children.rows("start", backend, network, monitored=monitored) for monitored in (False, True)
    )
    if not plain or not watched:
        return None
    (_, policy, before), (*_, after) = plain[0], watched[0]
    return [[network, policy, f"{before:.1f}", f"{after:.1f}", f"{after / before:.2f}"]]


def measure_part(children, part, backends):
    """Measures a part on all backends and prints its tables."""
    say(f"## {part}")
    for network in NETWORKS if part in ("steps", "start") else ("",):
        for backend in backends:
            if part == "start":
                rows = start_row(children, backend, network)
            else:
                rows = children.rows(part, backend, network)
            if rows:
                print_table(part, [[backend, *row] for row in rows])


def main():
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", default=list(HEADS), choices=list(HEADS))
    parser.add_argument("--backends", nargs="+", default=["jax", "torch"])
    parser.add_argument("--limit", type=float, default=480, help="seconds, all in all")
    parser.add_argument("--child-limit", type=float, default=150, help="seconds of one process")
    parser.add_argument("--small", action="store_true", help="small sizes, to try it without a GPU")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run_child(**json.loads(arguments.child))
        return
    children = Children(arguments.limit, arguments.child_limit, arguments.small)
    for part in arguments.parts:
        measure_part(children, part, arguments.backends)


if __name__ == "__main__":
    main()
