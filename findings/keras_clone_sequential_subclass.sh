#!/usr/bin/env bash
# Keras: clone_model of a subclass of Sequential returns a plain Sequential without its train_step.
#
# Guess: an error, as the docs say "that subclassed models cannot be cloned by default", or the same
#   class, as happens for a subclass of a functional model.
# Seen: a subclass of Model that is built from inputs and outputs keeps its class. A subclass of Sequential
#   comes back as `keras.Sequential`: its own `train_step` is gone, without an error or a warning.
# Cause: `_clone_sequential_model` in keras/src/models/cloning.py calls `Sequential(...)`, while
#   `_clone_functional_model` uses `model.__class__`.
# Matters: who clones a model for each fold or each member of an ensemble trains with the standard step
#   instead of the own one. Compare `type(clone)` with `type(model)`.
# Versions: keras 3.15.1, jax 0.10.2, Python 3.11 (the same with torch 2.13.0 and tensorflow 2.21.0)
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=jax
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import warnings

import keras

warnings.simplefilter("error")
calls = []


class OwnStep:
    def train_step(self, *args, **kwargs):
        calls.append(type(self).__name__)
        return super().train_step(*args, **kwargs)


class OwnSequential(OwnStep, keras.Sequential):
    pass


class OwnFunctional(OwnStep, keras.Model):
    pass


inputs = keras.Input((4,))
models = [
    OwnSequential([keras.layers.Input((4,)), keras.layers.Dense(1)]),
    OwnFunctional(inputs, keras.layers.Dense(1)(inputs)),
]
for model in models:
    clone = keras.models.clone_model(model)
    clone.compile("sgd", "mse")
    clone.fit(keras.ops.ones((4, 4)), keras.ops.ones((4, 1)), verbose=0)
    print(type(model).__name__, "->", type(clone).__name__)
    assert type(clone) is (keras.Sequential if model is models[0] else OwnFunctional)
print("own steps that were called:", sorted(set(calls)))
assert set(calls) == {"OwnFunctional"}
PY
"$dir/venv/bin/python" "$dir/check.py"
