#!/usr/bin/env bash
# Keras: `base(x, training=False)` in a functional model has no effect in `fit`.
#
# Guess: the argument given at the call holds, as in the guide on transfer learning: batch normalization
#   in `base` keeps its statistics while the model trains.
# Seen: in a functional model `fit` replaces it by its own `training=True`: the statistics move. In a
#   subclassed model the same call keeps them.
# Cause: `operation_fn` in keras/src/models/functional.py sets the argument of each operation to the
#   call's own wherever that is not None.
# Matters: what is frozen is frozen by `trainable = False` alone, which puts batch normalization into
#   inference mode. With thawed weights the statistics are those of the small new batches.
# Versions: keras 3.15.1, jax 0.10.2, Python 3.11 (the code is the same for every backend)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 jax==0.10.2
cat > "$folder/program.py" <<'PYTHON'
import keras
import numpy as np


class Subclassed(keras.Model):
    def __init__(self, base):
        super().__init__()
        self.base, self.head = base, keras.layers.Dense(1)

    def call(self, x):
        return self.head(self.base(x, training=False))


def base():
    return keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])


def functional(inner):
    x = keras.Input((4,))
    return keras.Model(x, keras.layers.Dense(1)(inner(x, training=False)))


data = np.full((64, 4), 5.0, "float32")
for make in (functional, Subclassed):
    inner = base()
    model = make(inner)
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(data, np.ones((64, 1)), epochs=3, verbose=0)
    moved = bool(np.any(np.array(inner.layers[0].moving_mean) != 0.0))
    print(f"{make.__name__}: statistics moved in fit: {moved}")
PYTHON
KERAS_BACKEND=jax "$folder/venv/bin/python" "$folder/program.py" 2> "$folder/errors" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
functional: statistics moved in fit: True
Subclassed: statistics moved in fit: False
SEEN
