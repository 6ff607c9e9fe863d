#!/usr/bin/env bash
# SciPy's least_squares(method="dogbox") says success where the model has become flat, 22 times above the minimum.
#
# Guess: the three methods of least_squares differ in speed; with the defaults and an exact Jacobian each finds the
#   minimum of a small unconstrained fit from NIST's own start, or says that it has not.
# Seen: on NIST's MGH09 from the first start "lm" and "trf" find the minimum 3.075e-4. "dogbox" returns
#   success=True, status 1 (gtol is satisfied) at parameters above 1e6 with a sum of squares of 6.8e-3.
# Cause: there numerator and denominator of the model have grown alike, all derivatives are small, and gtol is an
#   absolute bound of the gradient.
# Matters: success is a statement about the gradient at the end alone. Look at the residuals, and compare methods.
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


def residuals(b):
    return b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]) - y


def jacobian(b):
    above, below = x**2 + x * b[1], x**2 + x * b[2] + b[3]
    ones = np.ones_like(x)
    return np.stack([above, b[0] * x, -b[0] * above * x / below, -b[0] * above * ones / below], 1) / (
        below[:, None]
    )


for method in ("lm", "trf", "dogbox"):
    found = least_squares(residuals, [25, 39, 41.5, 39], jacobian, method=method, max_nfev=5000)
    where = "minimum" if abs(2 * found.cost / 3.0750560385e-4 - 1) < 1e-6 else "elsewhere"
    print(method, found.success, where, np.max(np.abs(found.x)) > 1e6)
PY
seen=$("$dir/venv/bin/python" "$dir/check.py")
echo "$seen"
test "$seen" = "lm True minimum False
trf True minimum False
dogbox True elsewhere True"
