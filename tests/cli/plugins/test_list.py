import json

import pytest
from support import Run

from bddseg.plugins.inspection import Addition

ADDITIONS = [
    Addition(package="one", version="1.0", kind="catalog", name="a", entries=("x", "y")),
    Addition(package="one", version="1.0", kind="task", name="b", problem="it is a str."),
]


@pytest.fixture
def additions(monkeypatch: pytest.MonkeyPatch) -> list[Addition]:
    """What plugins add."""
    additions = list(ADDITIONS)
    monkeypatch.setattr("bddseg.plugins.inspection.list_additions", lambda _: additions)
    return additions


def test_each_object_is_listed_below_its_package(additions: list[Addition], run: Run) -> None:
    code, out, err = run("plugins", "list")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "one 1.0",
        "  ok      catalog a (x, y)",
        "  broken  task b: it is a str.",
    ]


def test_json_has_the_state_of_each(additions: list[Addition], run: Run) -> None:
    rows = json.loads(run("plugins", "list", "--json")[1])["plugins"]
    assert [row["state"] for row in rows] == ["ok", "broken"]


def test_without_plugins_the_next_step_is_shown(additions: list[Addition], run: Run) -> None:
    additions.clear()
    assert "bddseg plugins new NAME" in run("plugins", "list")[1]
