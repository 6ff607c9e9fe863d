#!/usr/bin/env bash
# Keras: with gradient accumulation the average of the weights (EMA) moves at every batch, not at every update.
#
# Guess: N accumulated batches count as one step of the average, since the weights change only then and
#   the docs say that the "EMA frequency will look at accumulated iterations value".
# Seen: with N = 2 and a momentum of 0.5 the average follows the same four updates as with a momentum of
#   0.25: a momentum m acts as m**N.
# Cause: `_backend_apply_gradients` (keras/src/optimizers/base_optimizer.py, and the JAX version in
#   keras/src/backend/jax/optimizer.py) updates the average outside the condition on the update step.
# Matters: the usual step to a larger effective batch shortens the window of the average by the same
#   factor. Use `ema_momentum ** (1 / N)`.
# Versions: keras 3.15.1, jax 0.10.2, Python 3.11 (the same with torch 2.13.0 and tensorflow 2.21.0)
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=jax
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import keras
import numpy as np


def averages(accumulate, momentum, updates=4):
    """The average just before each next update; every update adds 1 to the weight."""
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer = keras.optimizers.SGD(
        1.0, use_ema=True, ema_momentum=momentum, gradient_accumulation_steps=accumulate
    )
    optimizer.build([weight])
    gradient = keras.ops.convert_to_tensor(np.array([-1.0], "float32"))
    batches = accumulate or 1
    seen = []
    for batch in range(1, batches * (updates + 1)):
        optimizer.apply([gradient], [weight])
        assert weight.numpy()[0] == batch // batches
        if (batch + 1) % batches == 0 and batch >= batches:
            seen.append(float(optimizer._model_variables_moving_average[0].numpy()[0]))
    return seen


plain, accumulated, square = averages(None, 0.5), averages(2, 0.5), averages(None, 0.25)
print("momentum 0.5,  one batch in an update:  ", plain)
print("momentum 0.5,  two batches in an update:", accumulated)
print("momentum 0.25, one batch in an update:  ", square)
assert plain == [1.0, 1.5, 2.25, 3.125]
assert accumulated == square != plain
PY
"$dir/venv/bin/python" "$dir/check.py"
