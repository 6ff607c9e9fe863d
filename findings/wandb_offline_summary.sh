#!/usr/bin/env bash
# wandb: in offline mode the summary of a run is empty after the run has finished.
#
# Guess: `run.summary` holds the last value of each metric before and after `run.finish()`, online or
#   offline: what was logged is in the process and on the disk.
# Seen: before `finish` it holds them; after it, `dict(run.summary)` is `{}` and `run.summary["loss"]` raises a
#   KeyError.
# Matters: a script that trains in `with wandb.init(mode="offline") as run:` and reports
#   `run.summary["val_loss"]` behind the block fails when the training is over. Read it inside the block.
# Versions: wandb 0.31.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet "wandb==0.31.0"
cat > "$dir/check.py" <<'PY'
import sys

import wandb

with wandb.init(mode="offline", dir=sys.argv[1], project="finding") as run:
    run.log({"loss": 0.5})
    before = run.summary["loss"]
after = dict(run.summary)
print("before finish:", before)
print("after finish: ", after)
assert before == 0.5
assert after == {}
PY
WANDB_SILENT=true WANDB_ERROR_REPORTING=false "$dir/venv/bin/python" "$dir/check.py" "$dir"
