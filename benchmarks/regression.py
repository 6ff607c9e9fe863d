"""How many of NIST's regression problems each method solves, and in how many evaluations.

    OMP_NUM_THREADS=1 python benchmarks/regression.py     some five minutes

Every problem of `nist_strd.py` in float64 from both of its starts, beside SciPy's least squares
(MINPACK's Levenberg-Marquardt and the trust-region reflective method) and its BFGS. A run counts as
solved if every parameter agrees with the certified value to 8 digits (relatively to 1e-8); to 4
digits is what a general minimiser can be asked for, since it sees the loss only. Ours run on torch
in a plain loop of `scale_loss` and `apply`. An evaluation is one of loss and gradient; a Jacobian
of SciPy's is not counted beside the function.
"""

import os
import sys
import warnings

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from nist_strd import problems
from scipy.optimize import least_squares, minimize

import keras_dlnotes as kd

MOST = 1000  # evaluations
TIGHT = 1e-15
OURS = {
    "GaussNewton": lambda: kd.optimizers.GaussNewton(),
    "GaussNewton, acceleration": lambda: kd.optimizers.GaussNewton(acceleration=True),
    "LBFGS": lambda: kd.optimizers.LBFGS(gradient_tolerance=1e-12),
    "BFGS": lambda: kd.optimizers.BFGS(gradient_tolerance=1e-12),
    "Newton": lambda: kd.optimizers.Newton(gradient_tolerance=1e-12),
}


def ours(make, problem, start):
    """The point at which one of our optimizers ends, and its evaluations."""
    optimizer = make()
    weights = keras.Variable(start, dtype="float64")
    optimizer.build([weights])
    x, y = torch.tensor(problem.x), torch.tensor(problem.y)

    def outputs(values, inputs):
        return [problem.model(values[0], inputs, torch)]

    def loss_of(values, given):
        return 0.5 * torch.sum((given[0] - y) ** 2)

    for _ in range(MOST):
        if isinstance(optimizer, kd.optimizers.GaussNewton):
            optimizer.differentiate(loss_of, outputs, x, elementwise=True, has_penalties=False)
        loss = loss_of([weights.value], outputs([weights.value], x))
        optimizer.scale_loss(loss)
        gradients = torch.autograd.grad(loss, weights.value)
        with torch.no_grad():
            optimizer.apply(list(gradients), [weights])
        if optimizer.status != "searching":
            break
    optimizer.finalize_variable_values([weights])
    return keras.ops.convert_to_numpy(weights), optimizer.progress["evaluations"]


def residuals_and_jacobian(problem):
    """The two as functions of a NumPy vector."""
    x, y = torch.tensor(problem.x), torch.tensor(problem.y)

    def residuals(b):
        return problem.model(b, x, torch) - y

    def jacobian(b):
        return torch.func.jacfwd(residuals)(torch.tensor(b)).numpy()

    return (lambda b: residuals(torch.tensor(b)).numpy()), jacobian


def scipy_least_squares(method, problem, start):
    """The same of one of SciPy's."""
    residuals, jacobian = residuals_and_jacobian(problem)
    try:
        found = least_squares(
            residuals,
            start,
            jac=jacobian,
            method=method,
            x_scale="jac",
            ftol=TIGHT,
            xtol=TIGHT,
            gtol=TIGHT,
            max_nfev=MOST,
        )
    except ValueError:  # it raises where a residual is not finite: not solved
        return start, MOST
    return found.x, found.nfev


def scipy_bfgs(problem, start):
    """The same of SciPy's BFGS, on the sum of squares."""
    residuals, jacobian = residuals_and_jacobian(problem)

    def loss(b):
        r = residuals(b)
        return 0.5 * r @ r, jacobian(b).T @ r

    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-12, "maxiter": MOST})
    return found.x, found.nfev


def main():
    """Prints the tables; with names as arguments, only of these solvers, and every run."""
    torch.set_num_threads(1)
    np.seterr(all="ignore")
    solvers = {name: lambda *p, make=make: ours(make, *p) for name, make in OURS.items()}
    for method in ("lm", "trf"):
        solvers[f"SciPy {method}"] = lambda *p, method=method: scipy_least_squares(method, *p)
    solvers["SciPy BFGS"] = scipy_bfgs
    chosen = sys.argv[1:]
    rows = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, solve in solvers.items():
            if chosen and name not in chosen:
                continue
            rows[name] = []
            for problem in problems().values():
                for start in problem.starts:
                    b, evaluations = solve(problem, start.copy())
                    error = np.max(np.abs(b / problem.certified - 1.0))
                    rows[name].append((error, evaluations, problem.name))
                    if chosen:
                        print(f"{name:12s} {problem.name:9s} {error:8.1e} {evaluations:5d}")
    print("| solver | solved to 8 digits | to 4 digits | median evaluations | missed at 8 digits |")
    print("|---|---|---|---|---|")
    for name, runs in rows.items():
        solved = [count for error, count, _ in runs if error <= 1e-8]
        near = sum(error <= 1e-4 for error, _, _ in runs)
        missed = [
            f"{problem} ({1 + index % 2})"
            for index, (error, _, problem) in enumerate(runs)
            if not error <= 1e-8
        ]
        median = f"{np.median(solved):g}" if solved else ""
        missed = ", ".join(missed) if len(missed) < 12 else f"{len(missed)} of {len(runs)}"
        print(f"| {name} | {len(solved)} of {len(runs)} | {near} | {median} | {missed} |")


if __name__ == "__main__":
    main()
