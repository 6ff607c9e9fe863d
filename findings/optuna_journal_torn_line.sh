#!/usr/bin/env bash
# Optuna's journal: after a torn last line a live worker is handed a trial that is finished.
#
# Guess: a line cut off by a killed worker or a full disk is skipped or gets an error; what other
#   workers write afterwards is kept. The docstring of JournalStorage says that "if the database
#   crashes for any reason, the storage can re-establish the contents in memory".
# Seen: the next record of any worker is appended to the torn line and is lost with it, without an
#   error as long as it is the last line. `study.ask()` returns a finished trial with its parameters,
#   `study.tell()` leaves the trial running, and in a process that has made no trial yet `ask()`
#   raises an AttributeError. One more record, and the study cannot be read at all.
# Cause: `JournalFileBackend.append_logs` (storages/journal/_file.py) does not look at the end of the
#   file, `read_logs` raises a decoding error only when another line follows, and
#   `JournalStorage.create_new_trial` takes the number of the last trial that it has seen itself.
# Matters: after a restart a search can train a finished trial again, or lose results, unnoticed.
#   Check that the file ends with a line break before a study is continued.
# Versions: optuna 5.0.0, Python 3.11
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/python" -m pip install --quiet "optuna==5.0.0" "numpy==2.4.6"
cat > "$dir/check.py" <<'PY'
import json
import os
import sys

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)


def storage(path):
    return JournalStorage(JournalFileBackend(path))


def tear(path):
    """What is left when a worker is killed in the middle of writing a record."""
    with open(path, "ab") as file:
        file.write(b'{"op_code":5,"worker_id":"a-killed-wor')


# A worker that has finished a trial asks for the next one.
path = os.path.join(sys.argv[1], "asked.log")
study = optuna.create_study(storage=storage(path), study_name="s")
first = study.ask()
x = first.suggest_float("x", 0.0, 1.0)
study.tell(first, 1.0)
tear(path)
second = study.ask()
print("asked for the next trial, got number", second.number, study.trials[second.number].state)
assert second.number == 0 and len(study.trials) == 1
assert study.trials[0].state == TrialState.COMPLETE
assert second.suggest_float("x", 0.0, 1.0) == x

# A worker reports its result.
path = os.path.join(sys.argv[1], "told.log")
study = optuna.create_study(storage=storage(path), study_name="s")
trial = study.ask()
tear(path)
state = study.tell(trial, 1.0).state
print("state after tell:", state)
assert state == TrialState.RUNNING

# One more record, and nobody can read the study.
for name, use in (
    ("set_user_attr", lambda: study.set_user_attr("note", "text")),
    ("load_study", lambda: optuna.load_study(storage=storage(path), study_name="s")),
):
    try:
        use()
    except json.JSONDecodeError as error:
        print(f"{name}:", type(error).__name__)
    else:
        raise SystemExit(f"{name} raised no error")

# A worker that has made no trial yet.
path = os.path.join(sys.argv[1], "fresh.log")
optuna.create_study(storage=storage(path), study_name="s")
tear(path)
study = optuna.load_study(storage=storage(path), study_name="s")
try:
    raise SystemExit(f"asked for a trial, got number {study.ask().number}")
except AttributeError as error:
    print("ask in a fresh process:", error)
PY
"$dir/venv/bin/python" "$dir/check.py" "$dir"
