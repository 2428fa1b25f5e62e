"""`bddseg plugins list`: what installed packages add."""

from bddseg.cli.commands import COMMANDS
from bddseg.cli.console import show, show_json
from bddseg.cli.options import AsJson


def list_plugins(as_json: AsJson = False) -> None:
    """List what each installed plugin adds, and whether it can be loaded.

    Examples:
      bddseg plugins list
      bddseg plugins list --json
    """
    # Imported here, because it imports torch, which takes seconds.
    from bddseg.plugins.inspection import list_additions, load_registries

    additions = list_additions([*load_registries(), COMMANDS])
    if as_json:
        rows = [each._asdict() | {"state": _get_state(each.problem)} for each in additions]
        show_json({"plugins": rows})
        return
    if not additions:
        show("No plugins are installed. Start one: bddseg plugins new NAME")
    package = ""
    for each in additions:
        if each.package != package:
            package = each.package
            show(f"{each.package} {each.version}")
        models = f" ({', '.join(each.entries)})" if each.entries else ""
        problem = f": {each.problem.rstrip('.')}." if each.problem else ""
        show(f"  {_get_state(each.problem):<6}  {each.kind} {each.name}{models}{problem}")


def _get_state(problem: str) -> str:
    return "broken" if problem else "ok"
