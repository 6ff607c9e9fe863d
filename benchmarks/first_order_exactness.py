"""How far the first-order optimizers are from plain NumPy after 50 steps in float64.

    python benchmarks/first_order_exactness.py

For each rule and backend, the largest difference |w - reference| / max(1, |reference|) over all
weights and all of 50 steps. The cases and the NumPy twins are those of the tests.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ("tensorflow", "jax", "torch")


def differences():
    """Dict from case to its largest difference on the backend of this process."""
    import keras
    import numpy as np
    from keras import ops

    from tests.optimizers.test_first_order_formulas import CASES, SHAPES

    keras.config.set_floatx("float64")
    largest = {}
    for case, (make, twin, arguments) in CASES.items():
        random = np.random.default_rng(7)
        starts = [random.normal(size=shape) for shape in SHAPES]
        gradients = [[random.normal(size=shape) for _ in range(50)] for shape in SHAPES]
        variables = [keras.Variable(start, dtype="float64") for start in starts]
        expected = [list(twin(s, g, **arguments)) for s, g in zip(starts, gradients, strict=True)]
        optimizer = make()
        largest[case] = 0.0
        for step in range(50):
            optimizer.apply([ops.convert_to_tensor(g[step]) for g in gradients], variables)
            for variable, reference in zip(variables, expected, strict=True):
                gap = np.abs(ops.convert_to_numpy(variable) - reference[step])
                gap = gap / np.maximum(1.0, np.abs(reference[step]))
                largest[case] = max(largest[case], float(gap.max()))
    return largest


def main():
    """Runs each installed backend in a process of its own and prints the table."""
    if "--one-backend" in sys.argv:
        print(json.dumps(differences()))
        return
    columns = {}
    for backend in BACKENDS:
        environment = os.environ | {
            "KERAS_BACKEND": backend,
            "JAX_ENABLE_X64": "1",
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        command = [sys.executable, __file__, "--one-backend"]
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
        if result.returncode:
            print(f"{backend} left out: {result.stderr.strip().splitlines()[-1]}")
        else:
            columns[backend] = json.loads(result.stdout.splitlines()[-1])
    print("| rule | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for case in next(iter(columns.values())):
        print(f"| {case} | " + " | ".join(f"{c[case]:.1e}" for c in columns.values()) + " |")


if __name__ == "__main__":
    main()
