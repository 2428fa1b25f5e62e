"""The commands, built-in and of plugins; each is imported when it is run."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup

from bddseg.cli.general import add_general_options
from bddseg.registry import Registry

# A function with annotated parameters, or an app with several commands.
Command = typer.Typer | Callable[..., Any]


class BuiltIn(NamedTuple):
    """A built-in command.

    Attributes:
        target: "module:attribute" of the function or the app.
        help: Line in `bddseg --help`.
        hidden: Whether help does not show it.
    """

    target: str
    help: str
    hidden: bool = False


# In the order of help.
BUILT_IN = {
    "zoo": BuiltIn("bddseg.cli.zoo:app", "List the models; download and verify their weights."),
    "infer": BuiltIn("bddseg.cli.infer:infer", "Segment images and videos: write masks."),
    "quantize": BuiltIn("bddseg.cli.quantize:quantize", "Make a faster int8 network for CPUs."),
    "eval": BuiltIn("bddseg.cli.evaluate:evaluate", "Score masks against ground truth."),
    "report": BuiltIn("bddseg.cli.report:report", "Write a page with scores, charts and frames."),
    "vis": BuiltIn("bddseg.cli.vis:app", "Draw masks: colormaps, overlays, error maps, videos."),
    "data": BuiltIn("bddseg.cli.data:app", "Check frames and labels before training."),
    "labels": BuiltIn("bddseg.cli.labels:app", "Check and convert label files."),
    "export": BuiltIn("bddseg.cli.export:export", "Write a model as a file for other runtimes."),
    "package": BuiltIn("bddseg.cli.package:package", "Pack masks for the challenge server."),
    "cache": BuiltIn("bddseg.cli.cache:app", "List and delete the graphs of other runtimes."),
    "bench": BuiltIn("bddseg.cli.bench:bench", "Measure how fast a model is on this machine."),
    "config": BuiltIn("bddseg.cli.config:config", "Show defaults: mirrors, runtime, threads."),
    "doctor": BuiltIn("bddseg.cli.doctor:doctor", "Check this installation; for bug reports."),
    "plugins": BuiltIn("bddseg.cli.plugins:app", "List plugins; start a new one."),
    "demo": BuiltIn("bddseg.cli.demo:demo", "Run everything on a few frames, without a download."),
    "submit": BuiltIn("bddseg.cli.package:package", "Old name of `package`.", hidden=True),
}


def _check(candidate: Any) -> None:
    if not isinstance(candidate, typer.Typer) and not callable(candidate):
        raise TypeError(f"expected a function or a typer.Typer, got {type(candidate).__name__}")


COMMANDS: Registry[Command] = Registry(
    "bddseg.commands", "command", check=_check, reserved=lambda: frozenset(BUILT_IN)
)


def load_command(name: str) -> Any:
    """Return a command, ready to run; its module is imported.

    Raises:
        BddsegError: it is a plugin's command and cannot be loaded.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].target.partition(":")
        command = cast(Command, getattr(import_module(module), attribute))
    else:
        command = COMMANDS.load(name)
    app = typer.Typer(add_completion=False)
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name)(command)
    add_general_options(app)
    loaded = typer.main.get_command(app)
    return getattr(loaded, "commands", {}).get(name, loaded)


def _is_command(name: str) -> bool:
    # In this order: the metadata of plugins is not read for a built-in command.
    return name in BUILT_IN or name in COMMANDS.list_names()


class LazyCommands(TyperGroup):
    """The commands by name: listed without an import, and imported when they are run."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names: the built-in ones, then those of plugins."""
        del ctx
        return [*BUILT_IN, *COMMANDS.list_names()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command with its help line alone, not imported; None if there is none."""
        del ctx
        if cmd_name in BUILT_IN:
            _, text, hidden = BUILT_IN[cmd_name]
            return TyperCommand(cmd_name, help=text, hidden=hidden)
        if not _is_command(cmd_name):
            return None
        return TyperCommand(cmd_name, help=f"From package {COMMANDS.get_package(cmd_name)}.")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and remaining arguments of the command that is to run."""
        name = args[0]
        if _is_command(name):
            return name, load_command(name), args[1:]
        # Among these typer looks for a similar name.
        self.commands = {each: self.get_command(ctx, each) for each in self.list_commands(ctx)}
        return super().resolve_command(ctx, args)
