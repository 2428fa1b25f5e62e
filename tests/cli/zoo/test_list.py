import json
from pathlib import Path

import pytest
from support import Run

from bddseg.zoo.availability import find_availability
from bddseg.zoo.catalog import list_entries


def test_it_filters_sorts_and_prints_json(run: Run) -> None:
    code, out, err = run("zoo", "list", "--json", "--sort", "val", "--arch", "DNLNet")
    rows = json.loads(out)
    assert (code, err) == (0, "")
    assert [row["scores"]["miou_val"] for row in rows] == [84.76, 84.35, 84.21]
    assert rows[0]["short_name"] == "dnl_r50-d8_512x1024_80k"
    assert rows[0]["parameters"] == 50_012_007


@pytest.mark.parametrize(
    ("key", "first", "last"),
    [
        ("name", "apcnet_r50-d8_512x1024_40k", "upernet_r50-d8_769x769_40k"),
        ("params", "emanet_r50-d8_769x769_40k", "deeplabv3_r101-d8_512x1024_80k"),
        ("test", "deeplabv3_r101-d8_512x1024_80k", "emanet_r50-d8_769x769_40k"),
        ("iterations", "apcnet_r50-d8_512x1024_40k", "pspnet_r50-d8_512x1024_80k"),
    ],
)
def test_it_sorts(run: Run, key: str, first: str, last: str) -> None:
    rows = json.loads(run("zoo", "list", "--json", "--sort", key)[1])
    names = [row["short_name"] for row in rows if row["scores"]]
    assert (names[0], names[-1]) == (first, last)


@pytest.mark.parametrize("columns", [50, 60, 80, 100, 120])
def test_columns_are_dropped_and_never_cut(
    run: Run, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = run("zoo", "list")
    assert code == 0
    table = out.split("\n\n")[0].splitlines()
    assert all(len(line.rstrip()) <= columns for line in table)
    assert "…" not in out
    row = next(line for line in table if line.startswith("deeplabv3+_r101-d8_512x1024_80k "))
    cells = ["84.73", "84.41", "host", "down", "62.6", "drivable", "DeepLabV3+"]
    assert row.split()[1:] == cells[: len(row.split()) - 1]
    assert ("84.73" in row, "DeepLabV3+" in row) == (True, columns >= 120)
    assert ("Not shown: " in out) == (columns < 120)


def test_all_models_are_in_the_table(run: Run) -> None:
    out = run("zoo", "list", "--task", "drivable")[1]
    assert sum("-d8_" in line or "hr48" in line for line in out.splitlines()) == 26
    assert "deeplabv3+_r101-d8_512x1024_80k 84.73 84.41 host down 62.6 drivable" in " ".join(
        out.split()
    )


def test_cached_models_have_a_size(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path))
    name = "dnl_r50-d8_512x1024_40k_drivable_bdd100k"
    assert name not in run("zoo", "list", "--cached", "--json")[1]
    path = tmp_path / "drivable" / "models" / f"{name}.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(1_234_567))
    row = next(line for line in run("zoo", "list", "--cached")[1].splitlines() if "dnl" in line)
    assert row.split()[1:] == ["84.21", "83.70", "cached", "50.0", "1.2", "drivable", "DNLNet"]
    assert name in [row["name"] for row in json.loads(run("zoo", "list", "--cached", "--json")[1])]


def test_an_unknown_architecture_is_an_error_that_names_the_nearest(run: Run) -> None:
    code, out, err = run("zoo", "list", "--arch", "pspnt")
    assert (code, out) == (1, "")
    assert "There is no architecture named 'pspnt'. Did you mean pspnet" in err


@pytest.mark.parametrize("option", ["--task", "--sort"])
def test_an_unknown_task_or_key_is_wrong_usage(run: Run, option: str) -> None:
    assert run("zoo", "list", option, "nonsense")[0] == 2


def test_it_says_where_weights_can_be_had(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path))
    out = run("zoo", "list")[1]
    rows = {line.split()[0]: line.rstrip() for line in out.splitlines() if line}
    assert " cached " in rows["demo"]
    assert " online " in rows["espnetv2_1024x512"]
    assert " host down " in rows["dnl_r50-d8_512x1024_40k"]
    assert "down since March 2026" in out
    shown = json.loads(run("zoo", "list", "--json")[1])
    assert {row["availability"] for row in shown} == {"cached", "online", "host down"}


def test_models_that_can_be_used_now_come_first(cached: list[Path], run: Run) -> None:
    rows = json.loads(run("zoo", "list", "--json")[1])
    groups = [row["availability"] for row in rows]
    order = ["cached", "online", "host down"]
    assert groups == sorted(groups, key=order.index)
    names = [row["name"] for row in rows]
    for group in order:
        catalog = [entry.name for entry in list_entries() if find_availability(entry) == group]
        assert [name for name in names if name in catalog] == catalog
    assert cached[0].stem in names[: groups.count("cached")]
