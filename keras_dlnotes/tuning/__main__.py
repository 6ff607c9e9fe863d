"""Prints the table of a study on disk: python -m keras_dlnotes.tuning show PATH."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import optuna

from keras_dlnotes.tuning.results_table import table_of
from keras_dlnotes.tuning.study_store import StudyStore, settings_of


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m keras_dlnotes.tuning", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="print the table of a study")
    show.add_argument("path", help="the study's folder, directory/name, or a database's URL")
    show.add_argument("--name", help="the study's name, with a URL")
    options = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    is_url = "://" in options.path
    if is_url and options.name is None:
        parser.error("Expected --name NAME with the URL of a database. Received none.")
    try:
        if is_url:
            store = StudyStore(".", options.name, options.path)
        else:
            store = StudyStore(options.path, options.name or Path(options.path).resolve().name)
        with store.reading() as study:
            print(table_of(study, settings_of(study)["objective"]))
    except (FileNotFoundError, ImportError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
