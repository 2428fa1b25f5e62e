"""Catalogs: the built-in one, the TOML of entries, and finding a model by name."""

from pathlib import Path

import pytest
import torch

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
