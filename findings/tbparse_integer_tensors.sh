#!/usr/bin/env bash
# tbparse: a single whole number or a truth value stored as a tensor makes a whole folder of event files unreadable.
#
# Guess: `SummaryReader(folder).scalars` reads the scalars, whatever else a plugin has written; a tensor of
#   any type of TensorBoard comes back in `.tensors`.
# Seen: a tensor of one int32, int64 or uint8, or of any number of bool, makes the constructor raise
#   "AttributeError: module 'tensorboard.compat.tensorflow_stub.dtypes' has no attribute 'int4'". Three
#   whole numbers are read, and so is one float; TensorBoard itself reads all. With
#   `event_types={"scalars"}` the scalars can still be had.
# Cause: TensorBoard stores one element, and bool, in a typed field and the rest as bytes. For the typed fields
#   `make_ndarray` in tbparse/tensorflow_stub/tensor_util.py compares with a list that names
#   `dtypes.int4`, for every type after float64; TensorBoard's stub has no such name.
# Matters: who writes a count or a flag beside the curves locks users of tbparse out of the curves too.
#   Write it as a float.
# Versions: tbparse 0.0.9, tensorboard 2.21.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet \
    "tbparse==0.0.9" "tensorboard==2.21.0" "pandas==3.1.1" "numpy==2.4.6" "setuptools<81"
cat > "$dir/check.py" <<'PY'
import sys

import numpy as np
from tbparse import SummaryReader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util


def write(folder, array):
    writer = EventFileWriter(folder)
    event = Event(step=0, wall_time=1.0)
    event.summary.value.add(tag="loss", simple_value=0.5)
    value = event.summary.value.add(tag="numbers")
    value.tensor.CopyFrom(tensor_util.make_tensor_proto(array))
    value.metadata.data_class = DATA_CLASS_TENSOR
    value.metadata.plugin_data.plugin_name = "a_plugin"
    assert np.array_equal(tensor_util.make_ndarray(value.tensor), array)
    writer.add_event(event)
    writer.close()


for name in ("float32", "float64", "int32", "int64", "uint8", "bool"):
    for size in (1, 3):
        folder = f"{sys.argv[1]}/{name}_{size}"
        write(folder, np.ones(size, name))
        try:
            reader = SummaryReader(folder)
            seen = f"loss {reader.scalars['value'].tolist()}, tensor {reader.tensors['value'][0]}"
        except AttributeError as error:
            seen = str(error)
        print(f"{size} {name}: {seen}")
        fails = name == "bool" or (size == 1 and "int" in name)
        assert ("int4" in seen) == fails, seen
        scalars = SummaryReader(folder, event_types={"scalars"}).scalars
        assert scalars["value"].tolist() == [0.5]
PY
"$dir/venv/bin/python" "$dir/check.py" "$dir/logs"
