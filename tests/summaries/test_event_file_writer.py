import subprocess
import sys

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalar_metadata

from keras_dlnotes.summaries import EventFileWriter, MemoryWriter
from tests.full_disk import full_disk


def read_back(log_dir):
    accumulator = EventAccumulator(
        str(log_dir), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0}
    )
    return accumulator.Reload()


def test_scalars_come_back(tmp_path):
    writer = EventFileWriter(tmp_path)
    tags = ("a/b", "c")
    for step in (0, 10, 20):
        writer.add_scalars(step, tags, [step / 3, -step], wall_time=5.0 + step)
    writer.close()
    events = read_back(tmp_path)
    scalars = events.Scalars("a/b")
    assert [e.step for e in scalars] == [0, 10, 20]
    assert [e.wall_time for e in scalars] == [5.0, 15.0, 25.0]
    np.testing.assert_allclose([e.value for e in scalars], [0, 10 / 3, 20 / 3], rtol=1e-7)
    assert [e.value for e in events.Scalars("c")] == [0, -10, -20]


def test_histogram_text_and_layout_come_back(tmp_path):
    writer = EventFileWriter(tmp_path)
    writer.add_histogram(3, "h", -1.0, 2.0, np.arange(30))
    writer.add_histogram(4, "h", 1.0, 1.0, np.eye(30)[0] * 7)
    writer.add_text(5, "t", "**bold**")
    writer.add_custom_scalars({"category": {"chart": ["^a/.*$"]}})
    writer.close()
    events = read_back(tmp_path)
    first, second = events.Tensors("h")
    table = np.frombuffer(first.tensor_proto.tensor_content).reshape(30, 3)
    assert first.step == 3
    np.testing.assert_allclose(table[0], [-1.0, -0.9, 0.0])
    np.testing.assert_allclose(table[-1], [1.9, 2.0, 29.0])
    table = np.frombuffer(second.tensor_proto.tensor_content).reshape(-1, 3)
    assert table[:, 2].sum() == 7
    assert events.Tensors("t")[0].tensor_proto.string_val[0] == b"**bold**"
    (layout,) = events.Tensors(custom_scalar_metadata.CONFIG_SUMMARY_TAG)
    chart = layout_pb2.Layout.FromString(layout.tensor_proto.string_val[0]).category[0].chart[0]
    assert chart.title == "chart"
    assert list(chart.multiline.tag) == ["^a/.*$"]


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"`log_dir` must be a folder.*file.*Pass another"):
        EventFileWriter(tmp_path / "file" / "logs")


def test_failing_write_stays_in_the_writer(tmp_path):
    writer = EventFileWriter(tmp_path)
    writer.flush()
    with full_disk():
        writer.add_scalars(0, ("a",), [1.0])
        writer.flush()
    assert isinstance(writer.failure, OSError)
    writer.add_scalars(1, ("a",), [1.0])
    writer.close()
    writer.flush()  # does not wait for a thread that is gone


def test_what_was_added_before_the_process_ends_is_in_the_file(tmp_path):
    code = (
        "from keras_dlnotes.summaries import EventFileWriter\n"
        f"writer = EventFileWriter({str(tmp_path)!r}, flush_seconds=1000)\n"
        "for step in range(100): writer.add_scalars(step, ('a',), [1.0])\n"
        "raise SystemExit(3)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 3
    assert len(read_back(tmp_path).Scalars("a")) == 100


def test_the_writer_does_not_import_tensorflow():
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import tempfile, os; os.environ['KERAS_BACKEND'] = 'jax'\n"
        "from keras_dlnotes.summaries import EventFileWriter\n"
        "writer = EventFileWriter(tempfile.mkdtemp())\n"
        "writer.add_scalars(0, ('a',), [1.0]); writer.add_histogram(0, 'h', 0., 1., [1, 2])\n"
        "writer.close(); assert writer.failure is None, writer.failure"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_memory_writer_keeps_what_it_is_given():
    writer = MemoryWriter()
    writer.add_scalars(1, ("a", "b"), [1.0, 2.0])
    writer.add_histogram(1, "h", 0.0, 1.0, [3])
    writer.add_text(1, "t", "text")
    writer.add_custom_scalars({})
    writer.flush()
    writer.close()
    assert writer.scalars == {"a": [(1, 1.0)], "b": [(1, 2.0)]}
    assert writer.histograms == {"h": [(1, 0.0, 1.0, [3])]}
    assert writer.texts == {"t": [(1, "text")]}
