"""Catalogs: the built-in one, the TOML of entries, and finding a model by name."""

import os
from pathlib import Path

import pytest
import torch
from support import Run

from bddseg.errors import BddsegError
from bddseg.models.build import build_network
from bddseg.specs import Entry
from bddseg.zoo.catalog import find_entry, list_entries, list_models, read_catalog

ENTRY = """
[[entry]]
name = "one"
title = "One"
task = "drivable"
architecture = "pspnet"
preprocessing = {size_hw = [4, 4], mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0]}
"""


def list_zoo() -> list[Entry]:
    """Return the models that the BDD100K model zoo published."""
    return [entry for entry in list_entries() if entry.name.endswith("_drivable_bdd100k")]


def test_the_zoo_has_26_models_of_12_architectures() -> None:
    assert len(list_zoo()) == 26
    assert len({entry.architecture for entry in list_zoo()}) == 12


def test_every_entry_is_complete() -> None:
    for entry in list_zoo():
        assert entry.scores is not None
        assert entry.paper is not None
        assert entry.training is not None
        assert entry.scores.miou_val > entry.scores.miou_test > 80
        assert entry.paper.url.startswith("https://")
        assert entry.weights.urls == [
            f"https://dl.cv.ethz.ch/bdd100k/drivable/models/{entry.name}.pth"
        ]
        assert str(entry.weights.md5_url).endswith(f"/{entry.name}.md5")
        assert entry.links.preds.endswith(f"/preds/{entry.name}.zip")
        assert entry.options["align_corners"] == (entry.sliding_window is not None)
        assert entry.training.iterations in (40_000, 80_000)
        crop = "x".join(map(str, entry.training.crop_hw))
        assert f"_{crop}_{entry.training.iterations // 1000}k_" in entry.name


def test_the_number_of_parameters_is_the_networks() -> None:
    entries = [entry for entry in list_entries() if entry.parameters is not None]
    assert {entry.name for entry in list_zoo()} < {entry.name for entry in entries}
    for entry in entries:
        with torch.device("meta"):
            network = build_network(entry)
        assert sum(each.numel() for each in network.parameters()) == entry.parameters, entry.name


def test_the_best_model_is_the_published_one() -> None:
    scores = {entry.name: entry.scores for entry in list_zoo() if entry.scores}
    best = max(scores, key=lambda name: scores[name].miou_val)
    assert best == "deeplabv3_r101-d8_512x1024_80k_drivable_bdd100k"
    assert (scores[best].miou_val, scores[best].miou_test) == (85.15, 84.75)


def test_a_model_is_found_by_name_and_by_short_name() -> None:
    entry = find_entry("pspnet_r50-d8_512x1024_40k")
    assert find_entry(entry.name) is entry


def test_an_unknown_model_is_an_error_that_names_the_three_nearest() -> None:
    with pytest.raises(BddsegError) as caught:
        find_entry("pspnet_r50_512x1024_40k")
    assert "pspnet_r50-d8_512x1024_40k, pspnet_r50-d8_512x1024_80k, p" in str(caught.value)


def test_models_are_listed_by_task() -> None:
    assert [entry.name for entry in list_models()] == [entry.name for entry in list_entries()]
    assert {entry.task for entry in list_models("drivable")} == {"drivable"}
    assert list_models(task="sem_seg") == []
    with pytest.raises(BddsegError, match="no task named 'nonsense'"):
        list_models("nonsense")


def test_bases_merge_tables_and_replace_values(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    text = ENTRY + 'extends = "b"\noptions.depth = 101\n'
    text += '[base.a.options]\ndepth = 50\nchannels = 8\n[base.b]\nextends = "a"\nlicense = "MIT"\n'
    path.write_text(text + 'weights.urls = ["https://x/{name}.pth"]\n')
    (entry,) = read_catalog(path)
    assert entry.options == {"depth": 101, "channels": 8}
    assert entry.license == "MIT"
    assert entry.weights.urls == ["https://x/one.pth"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (ENTRY + "nonsense = 1", "nonsense"),
        (ENTRY + "options = 3", "options"),
        (ENTRY.replace("size_hw = [4, 4]", "size_hw = [4]"), "preprocessing.size_hw"),
        (ENTRY.replace("size_hw = [4, 4]", "size_hw = [4, 0]"), "preprocessing.size_hw[1]"),
        (ENTRY.replace('name = "one"', 'name = "../evil"'), "name"),
        (ENTRY.replace('task = "drivable"', ""), "task"),
        (ENTRY + "sliding_window = {stride_hw = [4, 4]}", "crop_hw"),
        (ENTRY + 'extends = "none"', "none"),
        (ENTRY + 'extends = "a"\n[base.a]\nextends = "a"', "extends itself"),
        ("[[entries]]", "entries"),
        ("entry = 5", "`entry`"),
        ("entry = [5]", "`entry[0]`"),
        ("base = 5", "`base`"),
        ("base.a = 5", "`base[...]`"),
        (ENTRY + 'extends = ["x"]', "the base '['x']' does not exist"),
        (ENTRY + 'extends = "a"\n[base.a]\nextends = ["x"]', "the base '['x']' does not exist"),
        (ENTRY.replace('"one"', "5"), "entry 5"),
        (ENTRY.replace('"one"', r'"one\n"'), "name"),
        (ENTRY.replace('"one"', f'"{"x" * 300}"'), "name"),
        (ENTRY + f'weights.md5 = "{"0" * 32}\\n"', "md5"),
        (ENTRY.replace("[4, 4]", f"[4, {10**26}]"), "preprocessing.size_hw[1]"),
        (ENTRY + f"options.depth = {'9' * 5000}", "digits"),
        (ENTRY + f"options.a = {'[' * 5000}{']' * 5000}", "nested too deeply"),
        (ENTRY + f"options.{'.'.join('a' * 3000)} = 1", "more than 50 tables are nested"),
        ("no toml", "TOML"),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(BddsegError) as caught:
        read_catalog(path)
    assert "mine.toml" in str(caught.value)
    assert named in str(caught.value)


def test_a_chain_of_3000_bases_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    bases = "".join(f'[base.b{n}]\nextends = "b{n + 1}"\n' for n in range(3000))
    path.write_text(f'{ENTRY}extends = "b0"\n{bases}[base.b3000]\nlicense = "MIT"\n')
    assert read_catalog(path)[0].license == "MIT"


@pytest.mark.parametrize("name", ["nul\0.toml", "x" * 300 + ".toml", "pipe.toml", "latin.toml"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "latin.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(BddsegError, match=name[:4]):
        read_catalog(tmp_path / name)


def test_weights_of_an_impossible_name_do_not_stop_the_list(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.toml"
    names = {"long": "x" * 300, "nul": r"\u0000"}
    path.write_text(
        "".join(
            ENTRY.replace("one", name) + f'weights.file = "{file}"\n'
            for name, file in names.items()
        )
    )
    monkeypatch.setattr("bddseg.cli.zoo.list.list_entries", lambda *_: read_catalog(path))
    code, out, _ = run("zoo", "list")
    assert (code, "long" in out, "nul" in out) == (0, True, True)


@pytest.mark.parametrize("package", ["bddseg-lite", "bddseg-realtime"])
def test_models_of_a_package_that_is_not_installed_are_known(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(__file__).parents[2] / "plugins" / package
    catalog = folder / package.replace("-", "_") / "catalog.toml"
    models = [entry.name for entry in read_catalog(catalog)]
    monkeypatch.setattr("bddseg.zoo.catalog.list_entries", lambda: ())
    for model in models:
        with pytest.raises(BddsegError) as caught:
            find_entry(model)
        assert f"'{model}' is in the package {package}" in caught.value.message
        assert f"pip install ./plugins/{package}" in caught.value.hint
