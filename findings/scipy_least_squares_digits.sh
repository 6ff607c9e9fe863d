#!/usr/bin/env bash
# SciPy's least_squares: all tolerances at 1e-15 and an exact Jacobian leave 7 digits, and a plain step gains more.
#
# Guess: with ftol = xtol = gtol = 1e-15 and an exact Jacobian, "lm" (MINPACK) and "trf" return the parameters of a
#   well-posed problem with four unknowns to ten digits or more; MINPACK's xtol is a relative error of the parameters.
# Seen: on NIST's MGH09 (11 observations) from the second start both end 2e-8 and 4e-8 from the certified
#   parameters, "lm" with the status that says that xtol is satisfied. Three Gauss-Newton steps from there, which
#   SciPy's rule refuses, are closer.
# Cause: a step is accepted by the fall of the sum of squares. Within 1e-8 of the minimum the sum is the same but
#   for rounding, so steps are rejected, the region shrinks, and a small region passes for convergence.
# Matters: a tolerance is no promise of digits. What still tells points apart there is the gradient J^T r.
# Versions: scipy 1.17.1, numpy 2.4.6, Python 3.11
# Data: MGH09 of NIST's reference problems of non-linear regression
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile "scipy==1.17.1" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import numpy as np
from scipy.optimize import least_squares

x = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])
y = np.array(
    [0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]
)
CERTIFIED = np.array([1.9280693458e-01, 1.9128232873e-01, 1.2305650693e-01, 1.3606233068e-01])


def residuals(b):
    return b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]) - y


def jacobian(b):
    above, below = x**2 + x * b[1], x**2 + x * b[2] + b[3]
    ones = np.ones_like(x)
    return np.stack([above, b[0] * x, -b[0] * above * x / below, -b[0] * above * ones / below], 1) / (
        below[:, None]
    )


def error(b):
    return np.max(np.abs(b / CERTIFIED - 1))


for method in ("lm", "trf"):
    found = least_squares(
        residuals, [0.25, 0.39, 0.415, 0.39], jacobian, method=method, ftol=1e-15, xtol=1e-15, gtol=1e-15
    )
    b = found.x
    for _ in range(3):
        b = b - np.linalg.lstsq(jacobian(b), residuals(b), rcond=None)[0]
    print(method, found.success, 1e-8 < error(found.x) < 1e-6, error(b) < 0.5 * error(found.x))
PY
seen=$("$dir/venv/bin/python" "$dir/check.py")
echo "$seen"
test "$seen" = "lm True True True
trf True True True"
