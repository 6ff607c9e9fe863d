"""How many classic test functions the second-order optimizers solve, beside SciPy and optax.

    OMP_NUM_THREADS=1 python benchmarks/classic_functions.py    half an hour

In float64, the functions of `more_garbow_hillstrom.py` from their standard starts and from 10 and
100 times these, those of `scalable_functions.py` and `small_functions.py` from their starts, and
NIST's regression problems (`nist_strd.py`) from both of theirs. A run counts as solved if it ends
within its evaluations at a loss within 1e-6 of the least that any solver found, relatively or
absolutely. Ours stop by their default settings, the others where no component of the gradient is
above 1e-6. Ours run on torch in a plain loop of `scale_loss` and `apply`.
"""

import os
import warnings

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from typing import NamedTuple

import jax
import keras
import numpy as np
import optax
import torch
from bounded_functions import PROBLEMS as BOUNDED
from more_garbow_hillstrom import PROBLEMS
from nist_strd import problems
from scalable_functions import PROBLEMS as SCALABLE
from scipy.optimize import minimize
from small_functions import PROBLEMS as SMALL

import keras_dlnotes as kd

TOLERANCE = 1e-6  # of the others
MOST = 1000  # evaluations
BETWEEN = "bounds"  # the column
FACTORS = (1.0, 10.0, 100.0)
OURS = {
    "LBFGS": kd.optimizers.LBFGS,
    "BFGS": kd.optimizers.BFGS,
    "BFGS, ssbroyden": lambda **given: kd.optimizers.BFGS(update="ssbroyden", **given),
    "Newton": kd.optimizers.Newton,
    "NewtonCG": kd.optimizers.NewtonCG,
}
PAIRS = {"LBFGS": ("SciPy L-BFGS-B", "optax L-BFGS"), "BFGS": ("SciPy BFGS",)}
# Whose counts and medians are the goal: methods that are told the Hessian have one of their own.
GOALS = dict.fromkeys(list(OURS)[:3], ("SciPy L-BFGS-B", "SciPy BFGS", "optax L-BFGS"))
GOALS |= dict.fromkeys(("Newton", "NewtonCG"), ("SciPy trust-exact",))
PAIRS |= {"BFGS, ssbroyden": ("SciPy BFGS",), "Newton": ("SciPy trust-exact",)}


class Task(NamedTuple):
    """A function to be minimised."""

    function: object  # takes the point and an array library
    start: np.ndarray
    bounds: tuple | None = None  # low and high, arrays


class Outcome(NamedTuple):
    """What a solver made of it."""

    loss: float
    evaluations: int
    point: np.ndarray


def value_and_gradient(function, x):
    """Loss and gradient as a float and an array."""
    point = torch.tensor(np.asarray(x, "float64"), requires_grad=True)
    value = function(point, torch)
    (gradient,) = torch.autograd.grad(value, point)
    return float(value.detach()), gradient.numpy()


def ours(make, task):
    """The point at which one of our optimizers ends, and its evaluations."""
    function = task.function
    optimizer = make(**({} if task.bounds is None else {"bounds": lambda variable: task.bounds}))
    weights = keras.Variable(task.start, dtype="float64")
    optimizer.build([weights])
    for _ in range(MOST):
        if task.bounds is not None and optimizer.progress["evaluations"]:
            inside = keras.ops.convert_to_numpy(weights)
            assert (task.bounds[0] <= inside).all()
            assert (inside <= task.bounds[1]).all()
        loss = function(weights.value, torch)
        optimizer.scale_loss(loss)
        gradients = torch.autograd.grad(loss, weights.value)
        with torch.no_grad():
            optimizer.apply(list(gradients), [weights])
        if optimizer.status != "searching":
            break
    optimizer.finalize_variable_values([weights])
    return keras.ops.convert_to_numpy(weights), optimizer.progress["evaluations"]


def scipy_(method, options, task):
    """The same of one of SciPy's."""
    function, start = task.function, task.start

    def hessian(x):
        point = torch.tensor(x)
        return torch.autograd.functional.hessian(lambda u: function(u, torch), point).numpy()

    try:
        result = minimize(
            lambda x: value_and_gradient(function, x),
            start,
            jac=True,
            hess=hessian if method == "trust-exact" else None,
            method=method,
            bounds=None if task.bounds is None else np.stack(task.bounds, axis=1),
            options={"gtol": TOLERANCE, "maxiter": MOST, **options},
        )
    except ValueError:  # it raises where a Hessian is not finite: not solved
        return start, MOST
    return result.x, result.nfev


def optax_(task):
    """The same of optax's L-BFGS, compiled as a whole."""
    function, start = task.function, task.start

    def loss(x):
        return function(x, jax.numpy)

    solver = optax.lbfgs(memory_size=10)
    both = optax.value_and_grad_from_state(loss)

    def step(carry):
        x, state, count = carry
        value, gradient = both(x, state=state)
        change, state = solver.update(gradient, state, x, value=value, grad=gradient, value_fn=loss)
        return optax.apply_updates(x, change), state, count + state[-1].info.num_linesearch_steps

    def goes_on(carry):
        _, state, count = carry
        steep = jax.numpy.max(jax.numpy.abs(optax.tree.get(state, "grad"))) > TOLERANCE
        return ((count == 0) | steep) & (count < MOST)

    run = jax.jit(lambda x: jax.lax.while_loop(goes_on, step, (x, solver.init(x), 0)))
    x, _, count = run(jax.numpy.asarray(start))
    return np.asarray(x), int(count) + 1


def runs():
    """Dict from a name and a column of the table to a `Task`."""
    found = {}
    for name, (function, start) in PROBLEMS.items():
        for factor in FACTORS if start.any() else FACTORS[:1]:
            found[name, f"{factor:g} x start"] = Task(function, factor * start)
    for name, pair in (SCALABLE | SMALL).items():
        found[name, "others"] = Task(*pair)
    for problem in problems().values():
        for start in problem.starts:

            def mean_square(b, xp, problem=problem):
                x, y = xp.asarray(problem.x), xp.asarray(problem.y)
                return xp.mean((problem.model(b, x, xp) - y) ** 2)

            found[f"{problem.name} {start[0]}", "NIST"] = Task(mean_square, start)
    for name, (function, start, low, high) in BOUNDED.items():
        found[name, BETWEEN] = Task(function, start, (low, high))
    return found


def results(tasks):
    """Dict from solver to a dict from a key of `tasks` to (loss, evaluations)."""
    solvers = {name: lambda *p, make=make: ours(make, *p) for name, make in OURS.items()}
    kinds = {"L-BFGS-B": {"ftol": 0.0, "maxfun": MOST}, "BFGS": {}, "trust-exact": {}}
    for method, options in kinds.items():
        solvers[f"SciPy {method}"] = lambda *p, given=(method, options): scipy_(*given, *p)
    solvers["optax L-BFGS"] = optax_
    table = {}
    for solver, solve in solvers.items():
        table[solver] = {}
        for run, task in tasks.items():
            if run[1] == BETWEEN and solver not in ("LBFGS", "SciPy L-BFGS-B"):
                continue
            x, evaluations = solve(task)
            table[solver][run] = Outcome(value_and_gradient(task.function, x)[0], evaluations, x)
    return table


def main():
    """Prints the tables."""
    jax.config.update("jax_enable_x64", True)
    torch.set_num_threads(1)
    np.seterr(all="ignore")  # overflows far from the minimum, and differences of infinite losses
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tasks = runs()
        table = results(tasks)
    least = {run: np.nanmin([r[run][0] for r in table.values() if run in r]) for run in tasks}

    def solved(solver, run):
        loss, evaluations, _ = table[solver].get(run, (np.nan, 0, None))
        near = loss - least[run] <= 1e-6 * max(1.0, abs(least[run]))
        return np.isfinite(loss) and evaluations <= 1.05 * MOST and near

    columns = list(dict.fromkeys(column for _, column in tasks))
    counts = [sum(column == c for _, column in tasks) for c in columns]
    heads = [f"{c}, {count}" for c, count in zip(columns, counts, strict=True)]
    print(f"| solved (median evaluations) | {' | '.join(heads)} |")
    print("|---" * (len(columns) + 1) + "|")
    cells = {}
    for solver, rows in table.items():
        for column in columns:
            good = [rows[r][1] for r in tasks if r[1] == column and solved(solver, r)]
            if good:
                cells[solver, column] = len(good), float(np.median(good))
    peers = [solver for solver in table if solver not in OURS]
    for solver in table:
        texts = []
        for column in columns:
            if (solver, column) not in cells:
                texts.append("")
                continue
            count, median = cells[solver, column]
            best = [cells[p, column] for p in GOALS.get(solver, peers) if (p, column) in cells]
            text = [f"{count}", f"({median:g})"]
            if solver in OURS:
                text[0] = f"**{count}**" if count < max(c for c, _ in best) else text[0]
                text[1] = f"**({median:g})**" if median > min(m for _, m in best) else text[1]
            texts.append(" ".join(text))
        print(f"| {solver} | {' | '.join(texts)} |")
    for solver, others in PAIRS.items():
        for other in others:
            same = [
                r
                for r in tasks
                if solved(solver, r)
                and solved(other, r)
                and abs(table[solver][r][0] - table[other][r][0]) <= 1e-6 * max(1, abs(least[r]))
            ]
            ratios = [table[solver][r][1] / table[other][r][1] for r in same]
            print(f"evaluations, {solver} / {other}: median {np.median(ratios):.2f} ({len(same)})")
        missed = [r for r in tasks if not solved(solver, r) and any(solved(o, r) for o in others)]
        print(f"  not solved by {solver}, but by one of these: {missed or 'none'}")
    compare_bounded(tasks, table, solved)


def compare_bounded(tasks, table, solved):
    """Prints how often LBFGS and SciPy's L-BFGS-B end at one point, with the same active bounds."""
    mine, theirs = table["LBFGS"], table["SciPy L-BFGS-B"]
    both = [r for r in tasks if r[1] == BETWEEN and solved("LBFGS", r)]
    both = [r for r in both if solved("SciPy L-BFGS-B", r)]

    def near(run):
        a, b = mine[run].point, theirs[run].point
        return np.max(np.abs(a - b) / np.maximum(1.0, np.abs(b))) <= 1e-6

    def active(run, point):
        low, high = tasks[run].bounds
        return (point <= low).tolist(), (point >= high).tolist()

    same = [r for r in both if active(r, mine[r].point) == active(r, theirs[r].point)]
    print(f"bounds: of {len(both)} that both solve, {len(same)} end with the same active bounds,")
    print(f"  {sum(map(near, both))} at the same point to 1e-6; others: ", end="")
    print([r[0] for r in both if r not in same or not near(r)] or "none")


if __name__ == "__main__":
    main()
