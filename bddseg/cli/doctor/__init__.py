"""`bddseg doctor`: what works on this machine, what does not, and what to do about it."""

import textwrap
from collections import Counter

import typer

from bddseg.cli.console import make_console, show, show_json
from bddseg.cli.options import AsJson
from bddseg.progress import pluralize


def doctor(as_json: AsJson = False) -> None:
    """Check this installation: a page for a bug report; exit code 1 if something is broken.

    It names versions, devices, runtimes, what each extra would add, settings of threads that slow
    networks down, and the state of the cache and of plugins. Below each problem and each hint is
    what to do about it.

    Examples:
      bddseg doctor
      bddseg doctor --json
    """
    # Imported here, because it imports torch, which takes seconds.
    from bddseg.cli.doctor.checks import Level, run_checks

    found = run_checks()
    counts = Counter(each.level for findings in found.values() for each in findings)
    if as_json:
        rows = {name: [each._asdict() for each in findings] for name, findings in found.items()}
        show_json({"problems": counts[Level.PROBLEM], "hints": counts[Level.HINT], "checks": rows})
    else:
        width = make_console(stderr=False).width
        for name, findings in found.items():
            show(name)
            for each in findings:
                show(_wrap(each.text, f"  {each.level:<9}", width))
                if each.next_step:
                    # In one line, to be copied.
                    show(f"{'':11}-> {each.next_step}")
        summary = pluralize(counts[Level.PROBLEM], "problem"), pluralize(counts[Level.HINT], "hint")
        show("\n" + ", ".join(summary) + ".")
    if counts[Level.PROBLEM]:
        raise typer.Exit(1)


def _wrap(text: str, start: str, width: int) -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )
