"""What every command has: -q, -v, -h, and the option names of older scripts."""

import copy
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from bddseg.cli.console import set_quiet, set_verbose
from bddseg.cli.options import GENERAL

# Option names of older scripts, and ours; hidden, in commands that have ours and not the old one.
_OLD_NAMES = {"-c": "-r", "--nproc": "--threads"}


class GeneralCommand(TyperCommand):
    """A command with the options that every command has."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.help = unwrap(self.help or "")
        names = {name for param in self.params for name in param.opts}
        self.params += [
            _make_flag(["--quiet", "-q"], names, set_quiet, "Print results and errors only."),
            _make_flag(["--verbose", "-v"], names, set_verbose, "Print log messages, too."),
        ]

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option -h, --help."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.rich_help_panel = GENERAL
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, without the ranges of numbers: errors name them."""
        from typer import rich_utils

        rich_utils.RANGE_STRING = ""
        super().format_help(ctx, formatter)

    def make_parser(self, ctx: Any) -> Any:
        """Return the parser of the command's options, which also knows the old names."""
        parser = super().make_parser(ctx)
        used = {name: param for param in self.params for name in param.opts}
        for old, new in _OLD_NAMES.items():
            if new in used and old not in used:
                alias = copy.copy(used[new])
                alias.opts = [old]
                alias.add_to_parser(parser, ctx)
        return parser


def make_group(text: str, commands: dict[str, Callable[..., Any]]) -> typer.Typer:
    """Return an app of several commands.

    Args:
        text: What its help says.
        commands: Functions with annotated parameters, by name, in the order of help.
    """
    app = typer.Typer(help=text, no_args_is_help=True)
    for name, function in commands.items():
        app.command(name)(function)
    return app


def add_general_options(app: typer.Typer) -> None:
    """Make each command of an app a `GeneralCommand`."""
    for command in app.registered_commands:
        if command.cls is TyperCommand:
            command.cls = GeneralCommand
    for group in app.registered_groups:
        if group.typer_instance is not None:
            add_general_options(group.typer_instance)


def _make_flag(names: list[str], used: set[str], apply: Any, text: str) -> TyperOption:
    """Return a flag that is handed to `apply`, under those names that are not used otherwise."""

    def callback(_context: Any, _param: Any, value: bool) -> None:
        apply(value)

    return TyperOption(
        param_decls=[names[0].lstrip("-"), *(name for name in names if name not in used)],
        type=bool,
        is_flag=True,
        default=False,
        expose_value=False,
        callback=callback,
        help=text,
        rich_help_panel=GENERAL,
    )


def unwrap(text: str) -> str:
    """Return a docstring with each paragraph in one line, except those with indented lines."""
    first, *others = (
        each if "\n " in each else " ".join(each.split()) for each in text.split("\n\n")
    )
    # Typer dedents what follows the first line of the others: that is the empty one.
    return first + "\n\n\n" + "\n\n".join(others)
