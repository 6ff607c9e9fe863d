#!/usr/bin/env bash
# keras.distribution: a pattern of LayoutMap that matches no variable is ignored without a word.
#
# Guess: `layout_map["first.*kernel"]` is searched for in a variable's path, so it shards the kernel of
#   the layer "first" in any model.
# Seen: in a functional model the kernel is split over both devices. In a Sequential of the same layers
#   every device holds the whole kernel, and neither compile nor fit says so: the results are right,
#   and no memory is saved. ".*first.*kernel" works in both.
# Cause: `LayoutMap.__getitem__` in keras/src/distribution/distribution_lib.py takes `re.fullmatch`, not
#   `re.search`. The paths are "first/kernel" in a functional model, and "sequential/first/kernel" in a
#   Sequential. A pattern that was never used is not reported.
# Matters: a model that was rewritten as a Sequential falls back to copies on all devices. Begin
#   patterns with ".*", and look at `variable.value.sharding` once.
# Versions: keras 3.15.1, jax 0.10.2, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export KERAS_HOME="$dir/keras" KERAS_BACKEND=jax JAX_PLATFORMS=cpu
export XLA_FLAGS=--xla_force_host_platform_device_count=2
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet --no-compile \
    "keras==3.15.1" "jax==0.10.2" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import warnings

import keras
import numpy as np

warnings.simplefilter("error")  # a warning would be a word


def kernel_shards(kind, pattern):
    mesh = keras.distribution.DeviceMesh(
        (1, 2), ("batch", "model"), keras.distribution.list_devices()
    )
    layout_map = keras.distribution.LayoutMap(mesh)
    layout_map[pattern] = (None, "model")
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(layout_map=layout_map, batch_dim_name="batch")
    )
    inputs = keras.Input((8,))
    first, last = keras.layers.Dense(16, name="first"), keras.layers.Dense(4)
    if kind == "functional":
        model = keras.Model(inputs, last(first(inputs)))
    else:
        model = keras.Sequential([inputs, first, last], name="sequential")
    model.compile("adam", "mse")
    model.fit(np.ones((8, 8)), np.ones((8, 4)), verbose=0)
    shapes = [shard.data.shape for shard in first.kernel.value.addressable_shards]
    print(kind, repr(pattern), first.kernel.path, shapes)
    return shapes


assert kernel_shards("functional", "first.*kernel") == [(8, 8), (8, 8)]
assert kernel_shards("sequential", "first.*kernel") == [(8, 16), (8, 16)]
assert kernel_shards("functional", ".*first.*kernel") == [(8, 8), (8, 8)]
assert kernel_shards("sequential", ".*first.*kernel") == [(8, 8), (8, 8)]
PY
"$dir/venv/bin/python" "$dir/check.py"
