"""The commands: ours, and those of plugins."""

from collections.abc import Callable
from typing import Any

import typer

from bddseg.cli import demo, evaluate, infer, labels, plugins, submit, vis, zoo
from bddseg.registry import Registry

# A function with annotated parameters, or an app of several.
Command = typer.Typer | Callable[..., Any]

# In the order in which help shows them.
OURS: dict[str, Command] = {
    "zoo": zoo.app,
    "infer": infer.infer,
    "eval": evaluate.evaluate,
    "vis": vis.app,
    "labels": labels.app,
    "submit": submit.submit,
    "plugins": plugins.app,
    "demo": demo.demo,
}
HIDDEN: dict[str, Command] = {"worker": infer.work}


def _check(candidate: Any) -> None:
    if not isinstance(candidate, typer.Typer) and not callable(candidate):
        kind = type(candidate).__name__
        raise TypeError(f"a function or a typer.Typer was expected, and it is a {kind}")


COMMANDS: Registry[Command] = Registry(
    "bddseg.commands",
    "command",
    check=_check,
    taken=lambda: frozenset({*OURS, *HIDDEN}),
)


def add_command(app: typer.Typer, name: str, command: Command, *, hidden: bool = False) -> None:
    """Make a command available as `bddseg NAME`."""
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, hidden=hidden)
    else:
        app.command(name, hidden=hidden)(command)
