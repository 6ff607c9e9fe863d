"""Reads layer statistics back from event files, without TensorBoard's server."""

import json
import os
import struct

from tensorboard.compat.proto.event_pb2 import Event

from keras_dlnotes_layers.format import (
    FINDINGS_TAG,
    PLUGIN_NAME,
    SECTIONS,
    TAG_PREFIX,
    rows_of,
    vector_of,
)
from keras_dlnotes_layers.history import history_of


def read_run(folder):
    """The layer statistics and the findings in a run's folder.

    Args:
        folder: the `log_dir` of a `TrainingMonitor`.

    Returns:
        `(LayerHistory, findings)`, the latter a list of dicts.

    Raises:
        FileNotFoundError: if the folder holds no event file.
        ValueError: if its event files hold no layer statistics.
    """
    folder = os.fspath(folder)
    paths = _event_files(folder)
    if not paths:
        raise FileNotFoundError(
            f"Expected the `log_dir` of a training monitor. Received {folder!r}, which holds no "
            f"event file.{_runs_below(folder)}"
        )
    try:
        series, findings = _read(paths)
    except FileNotFoundError:  # a running monitor has put thinner files in the place of these
        series, findings = _read(_event_files(folder))
    if not series:
        raise ValueError(
            f"Expected layer statistics in {folder!r}, found event files without any. Record them "
            "with keras_dlnotes.callbacks.TrainingMonitor."
        )
    return history_of(series), findings


def _read(paths):
    series: dict[str, tuple[list, list]] = {}
    findings: list[dict] = []
    for path in paths:
        for event in events_of(path):
            for value in event.summary.value:
                metadata = value.metadata.plugin_data
                if metadata.plugin_name == PLUGIN_NAME and value.tag != FINDINGS_TAG:
                    tag = value.tag.removeprefix(TAG_PREFIX)
                    series.setdefault(tag, (rows_of(metadata.content), []))
                if value.tag == FINDINGS_TAG:
                    findings = json.loads(value.tensor.string_val[0])
                elif value.tag.startswith(TAG_PREFIX):
                    tag = value.tag.removeprefix(TAG_PREFIX)
                    if tag in series:
                        series[tag][1].append((event.step, vector_of(value.tensor)))
    return series, findings


def runs_below(folder):
    """Names of the runs with layer statistics in a folder and below; `"."` is the folder."""
    names = []
    for path, _, _ in sorted(os.walk(folder)):
        if any(map(_has_layers, _event_files(path))):
            names.append(os.path.relpath(path, folder))
    return names


def _has_layers(path):
    """Whether a file holds layer statistics, not findings alone."""
    try:
        with open(path, "rb") as opened:
            head = opened.read(1 << 20)
    except FileNotFoundError:
        return True  # a running monitor has put a thinner file in its place
    return any((TAG_PREFIX + section).encode() in head for section in SECTIONS)


def events_of(path):
    """The events of one file, oldest first; a record that a crash has cut off ends it."""
    with open(path, "rb") as file:
        while len(header := file.read(12)) == 12:
            (length,) = struct.unpack("<Q", header[:8])
            data = file.read(length)
            if len(data) < length or len(file.read(4)) < 4:
                return
            yield Event.FromString(data)


def _event_files(folder):
    if not os.path.isdir(folder):
        return []
    names = [name for name in sorted(os.listdir(folder)) if ".tfevents." in name]
    return [os.path.join(folder, name) for name in names]


def _runs_below(folder):
    if not os.path.isdir(folder):
        return " There is no such folder."
    found = runs_below(folder)
    return f" Runs below it: {', '.join(found)}." if found else ""
