import json

import pytest

from bddseg.errors import BddsegError
from bddseg.zoo.catalog import find_entry, list_entries, read_catalog

ENTRY = """
[[entry]]
name = "one"
title = "One"
task = "drivable"
architecture = "pspnet"
preprocessing = {size_hw = [4, 4], mean_rgb = [0.0, 0.0, 0.0], std_rgb = [1.0, 1.0, 1.0]}
"""


def zoo():
    return [entry for entry in list_entries() if entry.name.endswith("_drivable_bdd100k")]


def test_the_zoo_has_26_models_of_12_architectures():
    assert len(zoo()) == 26
    assert len({entry.architecture for entry in zoo()}) == 12


def test_every_entry_is_whole():
    for entry in zoo():
        assert entry.scores.miou_val > entry.scores.miou_test > 80
        assert entry.paper.url.startswith("https://")
        assert entry.weights.urls == [
            f"https://dl.cv.ethz.ch/bdd100k/drivable/models/{entry.name}.pth"
        ]
        assert entry.weights.md5_url.endswith(f"/{entry.name}.md5")
        assert entry.links.preds.endswith(f"/preds/{entry.name}.zip")
        assert entry.options["align_corners"] == (entry.test.mode == "slide")
        assert entry.training.iterations in (40_000, 80_000)
        crop = "x".join(map(str, entry.training.crop_hw))
        assert f"_{crop}_{entry.training.iterations // 1000}k_" in entry.name


def test_the_best_model_is_the_published_one():
    best = max(zoo(), key=lambda entry: entry.scores.miou_val)
    assert best.name == "deeplabv3_r101-d8_512x1024_80k_drivable_bdd100k"
    assert (best.scores.miou_val, best.scores.miou_test) == (85.15, 84.75)
    assert best.options["depth"] == 101


def test_a_model_is_found_by_name_and_by_short_name():
    entry = find_entry("pspnet_r50-d8_512x1024_40k")
    assert find_entry(entry.name) is entry


def test_an_unknown_model_offers_the_three_nearest():
    with pytest.raises(BddsegError) as caught:
        find_entry("pspnet_r50_512x1024_40k")
    assert "pspnet_r50-d8_512x1024_40k, pspnet_r50-d8_512x1024_80k, p" in str(caught.value)


def test_bases_merge_tables_and_replace_values(tmp_path):
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
        (ENTRY + "colour = 1", "colour"),
        (ENTRY + "options = 3", "options"),
        (ENTRY.replace("size_hw = [4, 4]", "size_hw = [4]"), "preprocessing.size_hw"),
        (ENTRY.replace("size_hw = [4, 4]", "size_hw = [4, 0]"), "preprocessing.size_hw[1]"),
        (ENTRY.replace('name = "one"', 'name = "../evil"'), "name"),
        (ENTRY.replace('task = "drivable"', ""), "task"),
        (ENTRY + 'test = {mode = "slide"}', "crop_hw"),
        (ENTRY + 'extends = "none"', "none"),
        (ENTRY + 'extends = "a"\n[base.a]\nextends = "a"', "extends itself"),
        ("[[entries]]", "entries"),
        ("no toml", "TOML"),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path, text, named):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(BddsegError) as caught:
        read_catalog(path)
    assert "mine.toml" in str(caught.value)
    assert named in str(caught.value)


def test_zoo_list_sorts_filters_and_speaks_json(run):
    code, out, err = run("zoo", "list", "--json", "--sort", "val", "--arch", "DNLNet")
    rows = json.loads(out)
    assert (code, err) == (0, "")
    assert [row["scores"]["miou_val"] for row in rows] == [84.76, 84.35, 84.21]
    assert rows[0]["short_name"] == "dnl_r50-d8_512x1024_80k"


def test_zoo_list_shows_all_models_in_a_table(run):
    code, out, _ = run("zoo", "list", "--task", "drivable")
    assert code == 0
    assert len(out.strip().splitlines()) == 27
    assert "deeplabv3+_r101-d8_512x1024_80k DeepLabV3+" in " ".join(out.split())


def test_zoo_list_cached_shows_what_is_on_this_machine(run, tmp_path, monkeypatch):
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path))
    assert json.loads(run("zoo", "list", "--cached", "--json")[1]) == []
    name = "dnl_r50-d8_512x1024_40k_drivable_bdd100k"
    path = tmp_path / "drivable" / "models" / f"{name}.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(1_234_567))
    assert run("zoo", "list", "--cached")[1].rstrip().endswith("1.2 MB")
    assert [row["name"] for row in json.loads(run("zoo", "list", "--cached", "--json")[1])] == [
        name
    ]


def test_zoo_show_tells_everything(run):
    code, out, _ = run("zoo", "show", "emanet_r50-d8_769x769_80k")
    assert code == 0
    for fact in ("83.14", "82.55", "769, 769", "1907.13426", "num_bases", "80000", ".md5"):
        assert fact in out


def test_zoo_show_of_an_unknown_model_ends_in_a_next_step(run):
    code, out, err = run("zoo", "show", "nonsense")
    assert (code, out) == (1, "")
    assert "bddseg zoo list" in err
