"""TensorBoard's protobufs for what this package writes, built without TensorFlow."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_DOUBLE, DT_STRING
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalar_metadata
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.text import metadata as text_metadata

from keras_dlnotes.numerics.number_arguments import is_real_number


class ScalarsTemplate:
    """One event with many scalars whose tags stay and whose numbers change.

    Building 230 protobuf values takes about 20 times as long as refilling them, and a monitor
    writes the same 230 tags at each recorded step.

    Args:
        tags: list of tags, one a scalar.
    """

    def __init__(self, tags: Iterable[str]) -> None:
        self._event = Event()
        for tag in tags:
            self._event.summary.value.add(tag=tag, simple_value=0.0)
        self._values = list(self._event.summary.value)

    def fill(self, step: int, wall_time: float, numbers: Sequence[float]) -> bytes:
        """The event for one step, serialized."""
        self._event.step = step
        self._event.wall_time = wall_time
        for value, number in zip(self._values, numbers, strict=True):
            value.simple_value = number
        return self._event.SerializeToString()


def histogram_value(tag: str, low: float, high: float, counts: Any) -> Any:
    """A histogram of equal bins between `low` and `high`, as rows `[left, right, count]`."""
    edges, counts = bin_edges(low, high, counts)
    table = np.stack([edges[:-1], edges[1:], counts], axis=1).astype(np.float64)
    tensor = TensorProto(
        dtype=DT_DOUBLE, tensor_shape=_shape(table.shape), tensor_content=table.tobytes()
    )
    metadata = histogram_metadata.create_summary_metadata(display_name=None, description=None)
    return Summary.Value(tag=tag, tensor=tensor, metadata=metadata)


def bin_edges(low: float, high: float, counts: Any) -> tuple[np.ndarray, np.ndarray]:
    """The edges of equal bins between `low` and `high`, `[bins + 1]`, and the counts, `[bins]`."""
    if low == high:  # one bin of some width, or nothing is drawn
        return np.array([low - 0.5, high + 0.5]), np.array([np.sum(counts)])
    return np.linspace(low, high, len(counts) + 1), np.asarray(counts)


def text_value(tag: str, text: str) -> Any:
    """A text in Markdown, for the text dashboard."""
    metadata = text_metadata.create_summary_metadata(display_name=None, description=None)
    return Summary.Value(tag=tag, tensor=_string_tensor(text.encode()), metadata=metadata)


def custom_scalars_value(categories: dict[str, dict[str, list[str]]]) -> Any:
    """The layout of the custom-scalars dashboard.

    Args:
        categories: dict from a category's title to a dict from a chart's title to the list of
            regular expressions of the tags that it draws together.
    """
    layout = layout_pb2.Layout()
    for category_title, charts in categories.items():
        category = layout.category.add(title=category_title)
        for title, patterns in charts.items():
            chart = category.chart.add(title=title)
            chart.multiline.tag.extend(patterns)
    metadata = SummaryMetadata()
    metadata.CopyFrom(custom_scalar_metadata.create_summary_metadata())
    return Summary.Value(
        tag=custom_scalar_metadata.CONFIG_SUMMARY_TAG,
        tensor=_string_tensor(layout.SerializeToString()),
        metadata=metadata,
    )


def hparams_values(
    hparams: dict[str, Any], group: str, succeeded: bool, start: float, end: float
) -> list[Any]:
    """The begin and the end of a session, for the hyperparameters dashboard.

    TensorBoard's own functions for this import TensorFlow.

    Args:
        hparams: dict from name to a boolean, number or string; None becomes its name.
        group: name under which TensorBoard lists the session.
        succeeded: whether it ended well.
        start: seconds since 1970.
        end: seconds since 1970.
    """
    begun = plugin_data_pb2.SessionStartInfo(group_name=group, start_time_secs=start)
    for name, value in hparams.items():
        if isinstance(value, bool):
            begun.hparams[name].bool_value = value
        elif is_real_number(value):
            begun.hparams[name].number_value = value
        else:
            begun.hparams[name].string_value = str(value)
    status = api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE
    ended = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=end)
    return [
        _hparams_value(
            hparams_metadata.SESSION_START_INFO_TAG,
            plugin_data_pb2.HParamsPluginData(session_start_info=begun),
        ),
        _hparams_value(
            hparams_metadata.SESSION_END_INFO_TAG,
            plugin_data_pb2.HParamsPluginData(session_end_info=ended),
        ),
    ]


def _hparams_value(tag: str, content: Any) -> Any:
    metadata = hparams_metadata.create_summary_metadata(content)
    return Summary.Value(tag=tag, metadata=metadata, tensor=hparams_metadata.NULL_TENSOR)


def _string_tensor(content: bytes) -> Any:
    return TensorProto(dtype=DT_STRING, tensor_shape=_shape(()), string_val=[content])


def _shape(shape: Iterable[int]) -> Any:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
