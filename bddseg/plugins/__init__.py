"""Plugins, on one page: what a package can add to bddseg, and what it has to keep to.

A package adds names under entry points; installed beside bddseg, they are there. `bddseg plugins
new NAME` writes such a package, with all of the following in it.

`bddseg.architectures`
    A function from `num_classes` and explicit keywords, an entry's options, to a network:
    `Architecture` and `Network` in `bddseg.models.architectures`, and what a network can offer
    beside: `Optimizable`, `Translating`.
`bddseg.catalogs`
    The path of a TOML file of `[[entry]]` tables, each a model of `bddseg zoo list`:
    `read_catalog` in `bddseg.zoo.catalog`, `Entry` in `bddseg.zoo.entry`.
`bddseg.commands`
    A function with annotated parameters, as Typer has them, or a `typer.Typer`; it becomes
    `bddseg NAME`: `Command` in `bddseg.cli.commands`.

Our own register in the same way, but for commands, which are there before metadata is read.

- A name of ours cannot be taken, and of a name that two packages offer neither counts.
- Listing imports nothing. A module is imported when its object is asked for; `bddseg --help` tells
  which package brings a command without importing it.
- A package that does not import, offers something else than it should, or was made for another
  version of bddseg (its own `Requires-Dist` says which) costs one message that names it and the
  cause. Nothing else stops. `bddseg plugins list` shows the state of all.
- `bddseg.testing` has the contracts of an architecture, for the plugin's own tests.
- Errors that a user can act on are `bddseg.errors.BddsegError`; everything else that a plugin
  raises keeps its traceback.

Stability: the names on this page, what `bddseg` exports, and the keys of an entry keep their
meaning within a minor version (0.1.x); CHANGELOG.md tells what a new one changes. Declare
`bddseg>=0.1,<0.2`. Whatever else is in the package may change at any time.
"""
