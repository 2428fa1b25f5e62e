"""Plugins: what a package can add to bddseg.

A package adds an object by registering a name in an entry-point group of its `pyproject.toml`; once
it is installed, bddseg finds it. `bddseg plugins new NAME` writes such a package.

| to add | implement | group |
|---|---|---|
| architecture | `build(*, num_classes, **options) -> nn.Module` | `bddseg.architectures` |
| backbone | `build(**options)`, for any head | `bddseg.backbones` |
| catalog | path of a TOML file of entries | `bddseg.catalogs` |
| task | a `Task(...)` | `bddseg.tasks` |
| runtime | `load(entry, weights, ...)`, `infer(images) -> logits` | `bddseg.runtimes` |
| source | `open`, `items`, `read`, `is_live` | `bddseg.sources` |
| writer | `write(item, prediction)`, `close()` | `bddseg.writers` |
| metric | `update`, `merge`, `compute() -> dict` | `bddseg.metrics` |
| loss | `build(**options)`, then `(logits, labels) -> scalar`, for training | `bddseg.losses` |
| command | a function with annotated parameters, or a `typer.Typer` | `bddseg.commands` |

`bddseg.plugins.inspection.REGISTRIES` says which module defines each protocol. Built-in objects are
registered in the same way, except commands.

- A plugin cannot replace a built-in name. If two plugins register the same name, neither is used.
- Listing names imports nothing; a module is imported when its object is used. `bddseg --help` shows
  the commands of plugins without importing them.
- A plugin that cannot be imported, registers the wrong kind of object, or requires another version
  of bddseg (in its `Requires-Dist`) is reported with its name and the cause. Everything else works.
  `bddseg plugins list` shows the state of all plugins.
- `bddseg.testing` has contract tests for a plugin's own test suite.
- Raise `bddseg.errors.BddsegError` for errors that a user can fix; it is shown without a traceback.

Stability: the groups and protocols on this page, the names that `bddseg` exports, and the keys of
an entry are stable within a minor version (0.1.x); CHANGELOG.md lists the changes of a new one.
Declare `bddseg>=0.1,<0.2`. Everything else can change at any time.
"""
