#!/usr/bin/env bash
# TensorBoard keeps a sample of a plugin's tensors, and the first step need not be in it.
#
# Guess: all steps of a tensor tag come back, or an even sample with the first and the last step.
# Seen: of 500 steps a plugin that names no number gets back 10 through the reader in Python and 100
#   through the data server; the last is always there, the first is not. The choice is random with a
#   fixed seed, so it is the same at each start. `--samples_per_plugin NAME=1000`, or a loader that
#   sets the flag in `fix_flags`, brings all 500.
# Versions: tensorboard 2.21.0, tensorboard-data-server 0.7.2, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet \
    "tensorboard==2.21.0" "tensorboard-data-server==0.7.2" "numpy<3" "setuptools<81"
cat > "$dir/check.py" <<'PY'
import sys
from argparse import Namespace

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR
from tensorboard.context import RequestContext
from tensorboard.data.server_ingester import SubprocessServerDataIngester, get_server_binary
from tensorboard.backend.event_processing import data_ingester
from tensorboard.summary.writer.event_file_writer import EventFileWriter

folder = sys.argv[1]
writer = EventFileWriter(folder)
for step in range(500):
    event = Event(step=step, wall_time=1.0 + step)
    value = event.summary.value.add(tag="numbers")
    value.tensor.dtype = 1
    value.tensor.float_val.append(1.0)
    value.metadata.data_class = DATA_CLASS_TENSOR
    value.metadata.plugin_data.plugin_name = "a_plugin"
    writer.add_event(event)
writer.close()


def steps(provider):
    read = provider.read_tensors(
        RequestContext(), experiment_id="", plugin_name="a_plugin", downsample=10_000
    )
    return [datum.step for datum in read["."]["numbers"]]


def from_python(samples):
    flags = Namespace(
        logdir=folder, logdir_spec="", reload_interval=0, reload_task="blocking",
        samples_per_plugin=samples, generic_data="true", max_reload_threads=1,
        purge_orphaned_data=True, reload_multifile=False, reload_multifile_inactive_secs=0,
        window_title="", path_prefix="", event_file="", db="", inspect=False, tag="",
        detect_file_replacement=None,
    )
    ingester = data_ingester.LocalDataIngester(flags)
    ingester.start()
    return steps(ingester.data_provider)


def from_server(samples):
    ingester = SubprocessServerDataIngester(
        server_binary=get_server_binary(), logdir=folder, reload_interval=-1,
        channel_creds_type=__import__(
            "tensorboard.util.grpc_util", fromlist=["ChannelCredsType"]
        ).ChannelCredsType.LOCAL,
        samples_per_plugin=samples,
    )
    ingester.start()
    return steps(ingester.data_provider)


for name, read, count in (("Python", from_python, 10), ("data server", from_server, 100)):
    kept, more = read({}), read({"a_plugin": 1000})
    print(f"{name}: {len(kept)} of 500 steps, first {kept[0]}, last {kept[-1]}; asked: {len(more)}")
    assert len(kept) == count and kept[0] != 0 and kept[-1] == 499, kept
    assert more == list(range(500))
PY
"$dir/venv/bin/python" "$dir/check.py" "$dir/logs"
