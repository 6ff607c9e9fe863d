"""Each example says what it does and which arguments it takes, and does nothing else then."""

import argparse
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("[!_]*.py"))


@pytest.mark.any_backend
@pytest.mark.parametrize("name", NAMES)
def test_help(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser, *arguments):
        parse(parser, *arguments)
        pytest.fail("it would go on and run")  # without this it would, for minutes

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    assert "ArgumentParser(" in (EXAMPLES / f"{name}.py").read_text()
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: {name}.py")
    assert "--help" in printed
