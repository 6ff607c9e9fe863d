"""How the statistics of all layers are written to an event file: one tensor a statistic and step.

A tensor holds one float32 number for each of its rows; where all are alike, as counts of numbers
that are not finite mostly are, it holds that number once (`float_val`). What the rows are stands,
as JSON, in the metadata of the first value of a tag: TensorBoard keeps that of the first one alone.

    {"version": 1, "rows": [{"layer": "block1/conv", "type": "Conv2D", "variable": "kernel"}, ...]}

Rows come in the order in which the network calls its layers. A row of an activation has no
variable; the second call of a layer in one step has `"call": 2`.
"""

import json

import numpy as np
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING

PLUGIN_NAME = "keras_dlnotes_layers"
TAG_PREFIX = "layers/"
FINDINGS_TAG = "layers/findings"
# What the tags of layer statistics begin with.
SECTIONS = ("activations/", "gradients/", "weights/", "updates/")
VERSION = 1


def layer_value(tag, values, rows=None):
    """One statistic of all layers at one step.

    Args:
        tag: `"activations/standard_deviation"`, ...
        values: float32 vector, one number a row.
        rows: list of dicts, what the numbers belong to; given with the first value of a tag alone.

    Returns:
        A `Summary.Value`.
    """
    values = np.asarray(values, "<f4")
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(values))])
    tensor = TensorProto(dtype=DT_FLOAT, tensor_shape=shape)
    if len(values) > 1 and (values == values[0]).all():
        tensor.float_val.append(values[0])  # stands for all of them, also in TensorBoard
    else:
        tensor.tensor_content = values.tobytes()
    if rows is None:
        return Summary.Value(tag=TAG_PREFIX + tag, tensor=tensor)
    content = json.dumps({"version": VERSION, "rows": list(rows)}, separators=(",", ":"))
    metadata = SummaryMetadata(data_class=DATA_CLASS_TENSOR)
    metadata.plugin_data.plugin_name = PLUGIN_NAME
    metadata.plugin_data.content = content.encode()
    return Summary.Value(tag=TAG_PREFIX + tag, tensor=tensor, metadata=metadata)


def vector_of(tensor):
    """The float32 vector in a tensor that `layer_value` made."""
    if tensor.float_val:
        return np.full(tensor.tensor_shape.dim[0].size, tensor.float_val[0], "<f4")
    return np.frombuffer(tensor.tensor_content, "<f4")


def findings_value(findings):
    """What a diagnosis found, for the tab to show at its layer and step.

    Args:
        findings: list of dicts that JSON can hold, as `Finding.to_dict` makes them.

    Returns:
        A `Summary.Value`.
    """
    text = json.dumps(findings, default=str).encode()
    tensor = TensorProto(dtype=DT_STRING, string_val=[text])
    metadata = SummaryMetadata(data_class=DATA_CLASS_TENSOR)
    metadata.plugin_data.plugin_name = PLUGIN_NAME
    return Summary.Value(tag=FINDINGS_TAG, tensor=tensor, metadata=metadata)


def rows_of(content):
    """The rows that a tag's metadata names.

    Raises:
        ValueError: if a newer version of this package wrote it.
    """
    found = json.loads(content)
    if found["version"] > VERSION:
        raise ValueError(
            f"Expected layer statistics of version {VERSION} or older, received version "
            f"{found['version']}. Upgrade keras_dlnotes where TensorBoard runs."
        )
    return found["rows"]
