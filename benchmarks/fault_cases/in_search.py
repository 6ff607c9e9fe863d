"""Faults injected into searches: kill -9, Ctrl-C, a full disk, a deleted folder, a torn journal."""

import gc
import shutil
import signal
import time
from pathlib import Path

import optuna
from fault_cases.injection import (
    DRAW,
    SmallDisk,
    finish,
    last_result,
    later,
    lines,
    run,
    start,
    warnings_of_ours,
)
from optuna.storages.journal import JournalFileBackend, JournalStorage

from keras_dlnotes.tuning import RandomSearch
from tests.landscape_model import LandscapeModel

TRIALS = 8


def search_in(folder, at=None, trouble=None):
    """A search of short trials; each leaves a line in a file beside it when it begins."""
    folder = Path(folder)
    begun = []

    def build(hp):
        x = hp.Float("x", 0, 1)
        with open(folder / "begun", "a") as file:
            file.write(f"{x!r}\n")
        begun.append(x)
        here = len(begun)

        def curve(epoch):
            if trouble and here == at and epoch == 1:
                trouble()
            time.sleep(0.005)
            return {"loss": x + 1 / (epoch + 1)}

        return LandscapeModel(curve)

    return RandomSearch(build, "loss", TRIALS, folder, "study", verbose=0)


def table(search):
    """What must be the same after a fault as without one."""
    return [[row["state"], row["objective"], row["hyperparameters"]] for row in search.results()]


def search(folder):
    """Runs the search, or goes on with it."""
    made = search_in(folder)
    with warnings_of_ours() as texts:
        made.run(epochs=3)
    return {"table": table(made), "warned": texts}


def whole_table(folder):
    """The table of a search that nothing happens to."""
    whole = folder.parent / "whole_search"
    return (last_result(whole) if whole.exists() else run(search, whole))["table"]


def judge(row, folder, expected, text):
    """Goes on with the search of a folder, and compares it with the one left alone."""
    found = run(search, folder)
    if "error" in found:
        row.add(False, found["error"][:120])
    else:
        row.add(found["table"] == expected, text)


def kill_searches(folder, row, workers=3, send=signal.SIGKILL):
    """Kills some of several workers, starts others, and kills some of them too."""
    expected = whole_table(folder)
    kills = 0
    for _ in range(2):
        started = [start(search, folder) for _ in range(workers)]
        count = len(lines(folder / "begun")) + DRAW.randint(1, 3)
        when = later(folder / "begun", count, DRAW.uniform(0, 0.03))
        killed = DRAW.randint(1, workers)
        for number, process in enumerate(started):
            found = finish(process, when if number < killed else None, send)
            stopped = found is None or "KeyboardInterrupt" in found.get("error", "")
            kills += stopped
            if not stopped and "error" in found:
                row.add(False, found["error"][:120])
                return
    found = run(search, folder)
    if "error" in found:
        row.add(False, found["error"][:120])
    elif found["table"] != expected:
        row.add(False, "another table than without the fault")
    elif len(lines(folder / "begun")) > TRIALS + kills:
        row.add(False, "a trial that had finished was run again")
    else:
        row.add(True, "same table as without the fault, no finished trial lost or run again")


def fill_disk_in_search(folder, row, before):
    """Fills the disk before a search or in one of its trials, makes room, and goes on."""
    expected = whole_table(folder)
    with SmallDisk(folder / "disk") as disk:
        found = run(full_search, folder, disk, before, DRAW.choice((0, 0, 1000, 3000)))
        disk.empty()
        if found is None or "error" in found:
            row.add(False, str(found)[:120])
        elif "table" in found:
            row.add(found["table"] == expected, "the room was just enough")
        elif not before and "call run again" not in found["raised"]:
            row.add(False, f"not said: {found['raised']}"[:120])
        else:
            judge(row, disk.folder, expected, "said so and stopped; gone on with, nothing lost")


def full_search(folder, disk, before, left):
    """A search whose disk is full before it, or in one of its trials."""
    del folder

    def fill():
        disk.fill(left)

    if before:
        fill()
    try:
        with warnings_of_ours():
            made = search_in(disk.folder, DRAW.randint(1, TRIALS - 3), None if before else fill)
            made.run(epochs=3)
        return {"table": table(made)}
    except OSError as error:
        return {"raised": str(error)}


def delete_search_folder(folder, row):
    """Deletes a search's folder in one of its trials."""
    expected = whole_table(folder)
    found = run(deleted_search, folder, DRAW.randint(1, TRIALS))
    if found.get("table") != expected:
        row.add(False, f"{found.get('raised', found)}"[:120])
    elif not found["warned"]:
        row.add(False, "lost curves without a word")
    else:
        judge(row, folder, expected, "said so; every trial is in the table, nothing is run again")


def deleted_search(folder, at):
    """A search whose folder is deleted."""
    made = search_in(folder, at, lambda: shutil.rmtree(Path(folder) / "study"))
    with warnings_of_ours() as texts:
        made.run(epochs=3)
    return {"table": table(made), "warned": texts}


def tear_journal(folder, row, theirs=False):
    """Cuts a journal at bytes of its last two lines, and goes on with it; whether bytes are left.

    A process does forty of them, far from each other: all are done after so many calls.
    """
    expected = whole_table(folder)
    content = (folder.parent / "whole_search/study/journal.log").read_bytes()
    last_two = sum(map(len, content.splitlines(keepends=True)[-2:]))
    cuts = range(len(content) - last_two, len(content) + 1)
    calls = len(cuts) // 40 + 1
    call = sum(path.name.startswith("try_") for path in folder.parent.iterdir())
    found = run(torn, folder, list(cuts)[call::calls], content.decode(), expected, theirs)
    for is_good, what in found["tries"] if "tries" in found else [(False, str(found)[:120])]:
        row.add(is_good, what)
    return call + 1 < calls


def torn(folder, cuts, content, expected, theirs):
    """What came of each cut."""
    # Each search would look through all objects of Keras for garbage, which is most of its time.
    gc.freeze()
    gc.unfreeze = lambda: None
    tries = []
    for cut in cuts:
        path = Path(folder) / f"cut_{cut}"
        journal = path / "study/journal.log"
        journal.parent.mkdir(parents=True)
        journal.write_text(content[:cut])
        try:
            if theirs:
                go_on_with_optuna(journal)
                tries.append((True, "gone on with"))
            else:
                same = search(path)["table"] == expected
                tries.append((same, "gone on with, no finished trial lost"))
        except Exception as error:
            tries.append((False, type(error).__name__))
    return {"tries": tries}


def go_on_with_optuna(journal):
    """One more trial through Optuna's own journal file, which is then opened once more."""
    for _ in range(2):
        backend = JournalFileBackend(str(journal))
        study = optuna.load_study(study_name="study", storage=JournalStorage(backend))
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), 1)
