#!/usr/bin/env bash
# torch: a NumPy boolean scalar counts as a float beside a tensor, and NumPy's float64 scalars lose their dtype.
#
# Guess: `numpy.bool_` in an operation with a tensor is what Python's `True` is, since
#   `torch.tensor(numpy.bool_(True))` is a boolean tensor; and `torch.where` of two `numpy.float64` gives float64.
# Seen: `tensor & numpy.bool_(True)` raises NotImplementedError ("bitwise_and_cpu" not implemented for 'Float'),
#   an int64 tensor plus `numpy.bool_(True)` is float32 where plus `True` it is int64, `torch.full` makes floats
#   of it, and as an index it raises. `torch.where(condition, numpy.float64(0.1), numpy.float64(0.2))` is float32:
#   0.1 comes back as 0.10000000149011612.
# Cause: where an operation takes a number, torch asks whether it is Python's bool or int (or NumPy's integer);
#   all other NumPy scalars become a double, which `where` and `full` store in the default dtype.
# Matters: the result of comparing two NumPy numbers is a `numpy.bool_`. Code that keeps scalars on the host
#   (line searches, schedules, metrics) mixes them with tensors: it gets an error that names a 'Float' that
#   nobody wrote, or integers that have become floats. `bool(condition)` and `torch.as_tensor(number)` help.
# Versions: torch 2.13.0, numpy 2.4.6, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile "torch==2.13.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import numpy as np
import torch

yes, ones = torch.tensor(True), torch.ones(2, dtype=torch.int64)


def outcome(function):
    try:
        return str(function().dtype).removeprefix("torch.")
    except Exception as error:
        return type(error).__name__


for name, true in (("True", True), ("numpy.bool_", np.bool_(True))):
    print(
        f"{name}: tensor {outcome(lambda: torch.tensor(true))}, and {outcome(lambda: yes & true)}, "
        f"plus {outcome(lambda: ones + true)}, full {outcome(lambda: torch.full((2,), true))}, "
        f"index {outcome(lambda: ones[true])}"
    )
chosen = torch.where(yes, np.float64(0.1), np.float64(0.2))
print(f"where: {chosen.dtype} {chosen.item()}")
PY
seen=$("$dir/venv/bin/python" "$dir/check.py" 2>/dev/null)
echo "$seen"
test "$seen" = "True: tensor bool, and bool, plus int64, full bool, index int64
numpy.bool_: tensor bool, and NotImplementedError, plus float32, full float32, index IndexError
where: torch.float32 0.10000000149011612"
