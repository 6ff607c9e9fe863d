#!/usr/bin/env bash
# tbparse shows the values that a resumed run has purged, mixed with the new ones.
#
# Guess: for a run that was resumed with `SummaryWriter(folder, purge_step=3)` tbparse gives the curve that
#   TensorBoard shows: it reads with TensorBoard's own EventAccumulator.
# Seen: EventAccumulator and TensorBoard drop the old values from step 3 on. `SummaryReader(folder).scalars`
#   has both values of step 3 and step 4, and of step 5 a value that the run does not have any more.
# Cause: `SummaryReader.__init__` (tbparse/summary_reader.py) makes an EventAccumulator of its own for each
#   file of a folder. The mark of the restart stands in the second file and cannot purge the first.
# Matters: the mean, minimum or last value of a curve is taken over values of an abandoned branch. Keep the
#   row with the latest `wall_time` of each step, and cut off what is above the last step.
# Versions: tbparse 0.0.9, tensorboard 2.21.0, tensorboardX 2.6.5, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet \
    "tbparse==0.0.9" "tensorboard==2.21.0" "tensorboardX==2.6.5" "pandas==3.1.1" "numpy==2.4.6" \
    "setuptools<81"
cat > "$dir/check.py" <<'PY'
import sys
import time

from tbparse import SummaryReader
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter

folder = sys.argv[1]
writer = SummaryWriter(folder)
for step in range(6):
    writer.add_scalar("loss", 10 - step, step)
writer.close()
time.sleep(1.5)  # The file names hold the time in seconds and are read in their order.
writer = SummaryWriter(folder, purge_step=3)
for step in range(3, 5):
    writer.add_scalar("loss", 100 - step, step)
writer.close()

accumulator = EventAccumulator(folder)
accumulator.Reload()
tensorboard = [(event.step, event.value) for event in accumulator.Scalars("loss")]
frame = SummaryReader(folder).scalars
tbparse = sorted(zip(frame["step"].tolist(), frame["value"].tolist()))
print("TensorBoard:", tensorboard)
print("tbparse:    ", tbparse)
assert tensorboard == [(0, 10), (1, 9), (2, 8), (3, 97), (4, 96)]
assert tbparse == [(0, 10), (1, 9), (2, 8), (3, 7), (3, 97), (4, 6), (4, 96), (5, 5)]
PY
"$dir/venv/bin/python" "$dir/check.py" "$dir/logs"
