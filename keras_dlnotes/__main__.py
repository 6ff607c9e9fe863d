"""Commands: `python -m keras_dlnotes report RUN -o report.html`."""

import argparse
import sys

from keras_dlnotes_layers.report import report


def main(arguments=None):
    """Runs one command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m keras_dlnotes")
    commands = parser.add_subparsers(dest="command", required=True)
    writes = commands.add_parser(
        "report",
        help="write the layers tab of runs as one page that needs no TensorBoard",
        description="Writes what a TrainingMonitor recorded as one self-contained HTML page.",
    )
    writes.add_argument(
        "runs", nargs="+", metavar="RUN", help="log_dir of a run, or a folder above"
    )
    writes.add_argument("-o", "--output", default="report.html", help="default: report.html")
    options = parser.parse_args(arguments)
    try:
        page = report(options.runs)
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(page)
    except (OSError, ValueError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    print(f"Written to {options.output}: open it in a browser.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
