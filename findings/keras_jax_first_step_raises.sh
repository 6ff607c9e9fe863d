#!/usr/bin/env bash
# Keras on JAX: a `fit` whose first step raises leaves a model without values.
#
# Guess: an error in `fit` (a wrong label, a typing error in a loss or a `train_step`) leaves the model as it
#   was, on every backend: mend the error, call `fit` again.
# Seen: on JAX, after an error in the first step, `predict`, `get_weights` and the next `fit` raise
#   "TypeError: 'NoneType' object is not callable": the weights are lost, pretrained ones too. After an error in
#   a later step of the same `fit`, and on torch after both, the model predicts.
# Cause: `JAXTrainer.fit` in keras/src/backend/jax/trainer.py empties the variables before it calls the train
#   function (`purge_model_variables=True`); its `finally` gives back `_jax_state`, which the first step would
#   have set.
# Matters: save or copy weights before a first `fit` on JAX, or make the model anew after an error.
# Versions: keras 3.15.1, jax 0.10.2, torch 2.13.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras"
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "jax==0.10.2" "torch==2.13.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import sys

import keras
import numpy as np

x, y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")


def after_an_error_in_step(number):
    class Model(keras.Sequential):
        steps = 0

        def train_step(self, *arguments):
            Model.steps += 1
            if Model.steps == number:
                raise ArithmeticError("of the user's own")
            return super().train_step(*arguments)

    model = Model([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    try:
        model.fit(x, y, batch_size=2, verbose=0)
    except ArithmeticError:
        pass
    try:
        return f"predicts {model.predict(x, verbose=0).shape}"
    except TypeError as error:
        return f"{type(error).__name__}: {error}"


backend = keras.backend.backend()
found = [after_an_error_in_step(number) for number in (1, 3)]
print(f"{backend:6s} after an error in step 1: {found[0]}")
print(f"{backend:6s} after an error in step 3: {found[1]}")
lost = "TypeError: 'NoneType' object is not callable"
predicts = "predicts (8, 1)"
sys.exit(found != [lost if backend == "jax" else predicts, predicts])
PY
for backend in torch jax; do
    KERAS_BACKEND=$backend "$dir/venv/bin/python" "$dir/check.py" 2> "$dir/log" || {
        tail -5 "$dir/log"
        exit 1
    }
done
