"""A journal that is torn, damaged, deleted or cannot be written to loses no trial silently."""

import errno
import json
import os
import shutil
import warnings

import optuna
import pytest

from keras_dlnotes.tuning import RandomSearch, trial_run
from keras_dlnotes.tuning.journal import open_journal
from tests.landscape_model import LandscapeModel, constant

pytestmark = pytest.mark.any_backend


def search_in(folder, trials=3, name="search", **arguments):
    return RandomSearch(
        lambda hp: constant(hp.Float("x", 0, 1)),
        "loss",
        trials,
        folder,
        name,
        verbose=0,
        **arguments,
    )


def rows(table):
    return [{**row, "seconds": 0} for row in table]


@pytest.fixture
def journal(tmp_path):
    """The journal of a search of three trials that has ended."""
    search_in(tmp_path).run()
    return tmp_path / "search" / "journal.log"


@pytest.fixture
def whole(tmp_path):
    """The rows of a search of four trials that nothing happened to."""
    return rows(search_in(tmp_path / "whole", 4).run())


def states(journal):
    return [row["state"] for row in search_in(journal.parents[1]).results()]


def test_a_journal_torn_at_every_byte_of_its_last_two_lines_is_gone_on_with(journal, whole):
    content = journal.read_bytes()
    lines = content.splitlines(keepends=True)
    ends = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    for cut in range(ends[-3], ends[-1] + 1):
        journal.write_bytes(content[:cut])
        study = optuna.load_study(study_name="search", storage=open_journal(journal))
        found = [trial.state.name for trial in study.get_trials(deepcopy=False)]
        # A record is stored when all of it is there, whether its line ends or not.
        assert found == ["COMPLETE"] * 2 + ["COMPLETE" if cut >= ends[-1] - 1 else "RUNNING"], cut
        assert len(journal.read_bytes()) == max(end for end in ends if end <= cut + 1), cut
        if cut in (ends[-3] + 9, ends[-2] - 1, ends[-2], ends[-2] + 9, ends[-1] - 2, ends[-1] - 1):
            assert rows(search_in(journal.parents[1], 4).run()) == whole, cut


def test_a_write_that_fails_halfway_leaves_the_line_of_no_other_worker_broken(
    journal, whole, monkeypatch
):
    folder = journal.parents[1]
    before, write = journal.read_bytes(), os.write
    room = [len(before) + 500]

    def write_to_full_disk(file, content):
        content = content[: room[0] - os.fstat(file).st_size]
        if not content:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, content)

    monkeypatch.setattr(os, "write", write_to_full_disk)
    other = optuna.load_study(study_name="search", storage=open_journal(journal))
    with pytest.raises(OSError, match=r"(?s)No space left.*call run again") as raised:
        search_in(folder, 4).run()
    assert raised.value.errno == errno.ENOSPC
    written = journal.read_bytes()
    assert written.startswith(before)
    assert written.endswith(b"\n")
    room[0] = 10**9
    other.set_user_attr("written by", "another worker")
    assert rows(search_in(folder, 4).run()) == whole
    assert [json.loads(line)["op_code"] for line in journal.read_bytes().splitlines()]


def test_a_trial_whose_end_does_not_reach_the_disk_is_not_stored(journal, whole, monkeypatch):
    folder = journal.parents[1]
    other = optuna.load_study(study_name="search", storage=open_journal(journal))
    sync, calls = os.fsync, []

    def fail(file):
        calls.append(journal.read_bytes())
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        search_in(folder, 4).run()
    written = journal.read_bytes()
    assert written == calls[-1][: len(written)]
    assert written.endswith(b"\n")
    assert calls[-1].count(b"\n") - written.count(b"\n") == 1
    monkeypatch.setattr(os, "fsync", sync)
    assert states(journal) == ["finished"] * 3 + ["running"]
    other.set_user_attr("written by", "another worker")
    assert rows(search_in(folder, 4).run()) == whole


def test_an_end_that_ctrl_c_interrupts_on_its_way_to_the_disk_stays(journal, monkeypatch):
    def interrupted(file):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search_in(journal.parents[1], 4).run()
    assert states(journal) == ["finished"] * 4


@pytest.mark.parametrize("room", [0, 1, 40, 400])
def test_a_write_that_is_interrupted_or_cut_short_is_taken_back(journal, monkeypatch, room):
    storage = open_journal(journal)
    before, write = journal.read_bytes(), os.write

    def interrupted(file, content):
        write(file, content[:room])
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    study = optuna.load_study(study_name="search", storage=storage)
    with pytest.raises(KeyboardInterrupt):
        study.set_user_attr("key", "value")
    # What is whole stays, because another process may have read it.
    assert (journal.read_bytes() == before) == (room < 400)
    monkeypatch.setattr(os, "write", lambda file, content: write(file, content[:7]))
    study.set_user_attr("key", "other")
    again = optuna.load_study(study_name="search", storage=open_journal(journal))
    assert again.user_attrs["key"] == "other"


@pytest.mark.parametrize("torn", [b'{"op_code":4,"wor', b"\0" * 30, b'{"op\0\0\0\0', b"garbage"])
def test_the_torn_line_of_a_process_that_died_is_cut_before_the_next_append(journal, torn):
    study = optuna.load_study(study_name="search", storage=open_journal(journal))
    with open(journal, "ab") as file:
        file.write(torn)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        study.set_user_attr("key", "value")
    assert study.user_attrs["key"] == "value"
    assert b"".join([torn, b"{"]) not in journal.read_bytes()
    assert states(journal) == ["finished"] * 3
    # Half a record is what a killed process leaves; all else is worth a word and a copy.
    assert len(caught) == (torn != b'{"op_code":4,"wor')
    for warning in caught:
        assert "journal.log.dropped" in str(warning.message)
        assert journal.with_name("journal.log.dropped").read_bytes() == torn + b"\n"


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"{}",
        b"7",
        b"null",
        b'{"op_code":99}',
        b'"op_code"',
        b"\0" * 9,
        b"\xff\xfe",
        b"",
    ],
)
def test_a_whole_last_line_that_is_no_record_is_removed_with_a_word_and_a_copy(
    journal, whole, line
):
    with open(journal, "ab") as file:
        file.write(line + b"\n")
    with pytest.warns(UserWarning, match=r"line \d+ was no record.*journal.log.dropped"):
        assert states(journal) == ["finished"] * 3
    assert journal.with_name("journal.log.dropped").read_bytes() == line + b"\n"
    assert rows(search_in(journal.parents[1], 4).run()) == whole


@pytest.mark.parametrize(
    "line",
    [
        b'{"op_code":99,"worker_id":"x"}',
        b'{"op_code":6,"worker_id":"x"}',
        b'{"op_code":"4","worker_id":"x","trial_id":0}',
    ],
)
def test_a_record_that_this_optuna_does_not_know_is_left_alone_and_named(journal, line):
    with open(journal, "ab") as file:
        file.write(line + b"\n")
    content = journal.read_bytes()
    message = rf"as line {content.count(bytes([10]))} .*op_code.*version of Optuna"
    with pytest.raises(ValueError, match=message):
        search_in(journal.parents[1], 4).run()
    assert journal.read_bytes() == content


@pytest.mark.parametrize("bad", [b"garbage", b"{}", b"7", b"\0\0\0", b'{"op_code":4,"wor'])
@pytest.mark.parametrize("place", [0, 1, 8])
def test_a_bad_line_before_the_end_of_a_trial_is_named_and_nothing_is_touched(journal, bad, place):
    lines = journal.read_bytes().splitlines(keepends=True)
    content = b"".join([*lines[:place], bad + b"\n", *lines[place:]])
    journal.write_bytes(content)
    with pytest.raises(ValueError, match=rf"(?s)journal of a search.*line {place + 1} .*Restore"):
        states(journal)
    assert journal.read_bytes() == content
    with pytest.raises(ValueError, match=rf"line {place + 1} "):
        search_in(journal.parents[1], 4).run()
    assert journal.read_bytes() == content


def test_a_bad_line_after_the_last_end_of_a_trial_costs_what_no_trial_ended_with(journal, whole):
    record = journal.read_bytes().splitlines(keepends=True)[2]
    with open(journal, "ab") as file:
        file.write(b'\0\0\0\0id":4}\n' + record)
    with pytest.warns(UserWarning, match="was no record of a search"):
        assert rows(search_in(journal.parents[1], 4).run()) == whole


def test_a_journal_that_was_made_shorter_while_a_search_runs_is_named(journal):
    study = optuna.load_study(study_name="search", storage=open_journal(journal))
    content = journal.read_bytes()
    journal.write_bytes(content[: content.rfind(b"\n", 0, -1) + 1])
    with pytest.raises(OSError, match="replaced or made shorter"):
        study.set_user_attr("key", "value")


def test_a_line_glued_to_half_a_line_is_kept(journal):
    lines = journal.read_bytes().splitlines(keepends=True)
    assert b'"state":1' in lines[-1]
    journal.write_bytes(b"".join(lines[:-1]) + b'{"op_code":5,"worker_i' + lines[-1])
    with pytest.warns(UserWarning, match=r"op_code.*5.*journal.log.dropped"):
        assert states(journal) == ["finished"] * 3
    assert journal.read_bytes() == b"".join(lines)


def test_a_blank_line_is_removed_wherever_it_is(journal):
    content = journal.read_bytes()
    journal.write_bytes(content.replace(b"\n", b"\r\n", 3).replace(b"\r\n", b"\n\n", 1))
    with pytest.warns(UserWarning, match="line 2 was no record"):
        assert states(journal) == ["finished"] * 3


def test_a_line_damaged_while_a_search_runs_is_named(journal):
    study = optuna.load_study(study_name="search", storage=open_journal(journal))
    number = journal.read_bytes().count(b"\n") + 1
    with open(journal, "ab") as file:
        file.write(b"garbage\n")
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"as line {number} 'garbage"):
            study.set_user_attr("key", "value")


@pytest.mark.parametrize("content", [b"", None, b"\0" * 4096])
def test_an_empty_journal_beside_weights_is_refused_and_the_weights_stay(journal, content):
    folder, weights = journal.parent, next(journal.parent.glob("trial_*/best.weights.h5"))
    if content is None:
        journal.unlink()
    else:
        journal.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with pytest.raises(ValueError, match=r"whose weights are in .*Restore it"):
            search_in(folder.parent, 4).run()
        with pytest.raises(FileNotFoundError, match="Found none"):
            search_in(folder.parent, 4).results()
    assert weights.exists()


@pytest.mark.parametrize("content", [b"a file of somebody else", b"its first line\nits second\n"])
def test_a_file_that_is_no_journal_is_not_touched(tmp_path, content):
    path = tmp_path / "search" / "journal.log"
    path.parent.mkdir()
    path.write_bytes(content)
    for use in (lambda search: search.run(), lambda search: search.results()):
        with pytest.raises(ValueError, match="Expected the journal of a search"):
            use(search_in(tmp_path))
    assert path.read_bytes() == content


def test_a_journal_that_cannot_be_written_to_can_be_read(journal, monkeypatch):
    with open(journal, "ab") as file:
        file.write(b'{"op_code":4,"wor')
    content = journal.read_bytes()

    def refuse(*arguments, **keywords):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert states(journal) == ["finished"] * 3
    assert journal.read_bytes() == content


def test_a_folder_deleted_while_a_search_runs_costs_no_finished_trial(tmp_path, whole):
    def search(delete_at):
        seen = []

        def build(hp):
            seen.append(hp.Float("x", 0, 1))

            def curve(epoch):
                if len(seen) - 1 == delete_at:
                    shutil.rmtree(tmp_path / "search")
                return {"loss": seen[-1], "val_loss": seen[-1]}

            return LandscapeModel(curve)

        return RandomSearch(build, "loss", 4, tmp_path, "search", verbose=0)

    for delete_at in (0, 3):
        with (
            pytest.warns(UserWarning, match=r"journal.*was deleted while the search ran"),
            pytest.warns(UserWarning, match=r"curves.*are not complete.*was deleted"),
        ):
            table = search(delete_at).run()
        assert rows(table) == whole
        resumed = search(None)
        assert rows(resumed.run()) == whole  # nothing is left to be run
        shutil.rmtree(tmp_path / "search")


def test_two_workers_lose_nothing_to_a_deleted_folder(journal):
    first, second = (
        optuna.load_study(study_name="search", storage=open_journal(journal)) for _ in range(2)
    )
    journal.unlink()
    with pytest.warns(UserWarning, match="written anew with all trials"):
        first.set_user_attr("first", 1)
    second.set_user_attr("second", 2)
    assert {"first", "second"} <= set(first.user_attrs) == set(second.user_attrs)
    assert states(journal) == ["finished"] * 3


@pytest.mark.parametrize("what", ["weights", "curves", "outcome"])
def test_a_trial_that_cannot_be_stored_is_said_and_run_again(tmp_path, monkeypatch, whole, what):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with monkeypatch.context() as patch:
        if what == "weights":

            def save(model, path):
                path.write_text("half of")
                if path.parent.name == "trial_0001":
                    raise full

            patch.setattr(LandscapeModel, "save_weights", save)
        elif what == "curves":

            def make(path, *arguments):
                if str(path).endswith("trial_0001"):
                    raise full
                return original(path, *arguments)

            original = trial_run.EventFileWriter
            patch.setattr(trial_run, "EventFileWriter", make)
        else:

            def tell(study, trial, *arguments, **keywords):
                if trial.number == 1:
                    raise full
                return original(study, trial, *arguments, **keywords)

            original = optuna.Study.tell
            patch.setattr(optuna.Study, "tell", tell)
        search = search_in(tmp_path, 4)
        with pytest.raises(OSError, match=r"(?s)No space left.*call run again") as raised:
            search.run()
        assert raised.value.errno == errno.ENOSPC
        if what != "curves":
            x = whole[1]["hyperparameters"]["x"]
            assert f"Trial 1 finished with {{'x': {x}}}, loss {x:.6g}" in str(raised.value)
    assert [row["state"] for row in search.results()] == ["finished", "running"]
    assert not list(tmp_path.glob("search/trial_0001/best.weights.h5")) or what == "outcome"
    assert rows(search_in(tmp_path, 4).run()) == whole


def test_curves_that_cannot_be_written_are_said_and_cost_no_trial(tmp_path, monkeypatch, whole):
    class FullDisk(trial_run.EventFileWriter):
        def close(self):
            super().close()
            self.failure = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(trial_run, "EventFileWriter", FullDisk)
    with pytest.warns(UserWarning, match=r"curves in .*not complete.*No space.*goes on") as caught:
        assert rows(search_in(tmp_path, 4).run()) == whole
    folders = [str(warning.message).split("'")[1] for warning in caught]
    assert {os.path.basename(folder) for folder in folders} == {
        "best_epoch",
        *(f"trial_000{number}" for number in range(4)),
    }


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES])
def test_a_full_disk_in_a_training_ends_the_search_and_fails_no_trial(tmp_path, whole, code):
    room = [False]

    def build(hp):
        x = hp.Float("x", 0, 1)

        def curve(epoch):
            if len(os.listdir(tmp_path / "search")) > 3 and not room[0]:
                try:
                    raise OSError(code, os.strerror(code))
                except OSError as error:
                    raise RuntimeError("a callback of the user's failed") from error
            return {"loss": x, "val_loss": x}

        return LandscapeModel(curve)

    search = RandomSearch(build, "loss", 4, tmp_path, "search", verbose=0)
    if code == errno.EACCES:  # whatever else a training raises is that trial's own
        assert "failed" in [row["state"] for row in search.run()]
        return
    with pytest.raises(OSError, match="call run again"):
        search.run()
    assert "failed" not in [row["state"] for row in search.results()]
    room[0] = True
    assert rows(search.run()) == whole
