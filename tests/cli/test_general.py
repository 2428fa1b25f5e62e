"""What every command has: -q, -v, -h, and the hidden names of older scripts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from bddseg.cli.app import app
from bddseg.cli.commands import BUILT_IN, load_command
from bddseg.cli.console import show, show_note
from bddseg.cli.general import add_general_options, make_group
from bddseg.cli.options import Results, Threads


def list_leaves(command: Any, words: str) -> Iterator[Any]:
    """Yield the commands below a command, or the command itself, and how they are called."""
    for name, each in getattr(command, "commands", {}).items():
        yield from list_leaves(each, f"{words} {name}")
    if not hasattr(command, "commands"):
        yield pytest.param(words, command, id=words)


LEAVES = [leaf for name in BUILT_IN for leaf in list_leaves(load_command(name), name)]


@pytest.mark.parametrize(("words", "command"), LEAVES)
def test_every_command_has_quiet_and_verbose_and_no_option_twice(words: str, command: Any) -> None:
    options = [option for param in command.params for option in param.opts]
    assert {"-q", "--quiet", "-v", "--verbose"} <= set(options)
    assert len(options) == len(set(options))


@pytest.mark.parametrize(("words", "command"), LEAVES)
def test_help_fits_80_columns_and_has_two_examples(
    monkeypatch: pytest.MonkeyPatch, words: str, command: Any
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = CliRunner().invoke(app, [*words.split(), "--help"]).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    called = words.replace("submit", "package")
    examples = [line for line in lines if line.startswith(f"   bddseg {called}")]
    assert len(examples) == 2
    assert "…" not in "".join(lines)


def draw(results: Results, threads: Threads = 1) -> None:
    """Draw something."""
    show_note("A note.")
    show(f"{results} {threads}")


def count(
    number: Annotated[int, typer.Option("--count", "-c")],
    results: Results = Path("default"),
    quality: Annotated[int, typer.Option("-q")] = 0,
) -> None:
    """Count something."""
    show(f"{number} {results} {quality}")


@pytest.fixture
def group() -> typer.Typer:
    """The commands `draw` and `count`, with what every command has."""
    group = make_group("Some commands.", {"draw": draw, "count": count})
    add_general_options(group)
    return group


def run(group: typer.Typer, *arguments: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command."""
    result = CliRunner().invoke(group, arguments)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    "words", ["-c m --nproc 3", "-cm --nproc=3", "-r m --threads 3", "--nproc 3 --results m"]
)
def test_old_names_are_accepted(group: typer.Typer, words: str) -> None:
    assert run(group, "draw", *words.split()) == (0, "m 3\n", "A note.\n")


def test_old_names_are_not_in_help(group: typer.Typer) -> None:
    out = run(group, "draw", "-h")[1]
    assert "--nproc" not in out
    assert " -c" not in out


def test_a_command_can_use_the_names_itself(group: typer.Typer) -> None:
    assert run(group, "count", "-c", "5", "-q", "7")[1] == "5 default 7\n"
    assert run(group, "count", "-c", "5", "--quiet")[1] == "5 default 0\n"


def test_quiet_hides_notes_of_one_command_only(group: typer.Typer) -> None:
    assert run(group, "draw", "-r", "m", "-q") == (0, "m 1\n", "")
    assert run(group, "draw", "-r", "m")[2] == "A note.\n"
