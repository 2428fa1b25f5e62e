import json
from pathlib import Path

from support import Run

from bddseg.zoo.catalog import find_entry, read_entry


def test_all_facts_are_shown(run: Run) -> None:
    code, out, _ = run("zoo", "show", "emanet_r50-d8_769x769_80k")
    assert code == 0
    for fact in ("83.14", "82.55", "769, 769", "1907.13426", "num_bases", "80000", "42341734"):
        assert fact in out


def test_json_says_whether_the_weights_are_cached(
    cached: list[Path], models: tuple[str, ...], run: Run
) -> None:
    shown = json.loads(run("zoo", "show", models[0], "--json")[1])
    assert (shown["cached"], shown["cached_bytes"]) == (str(cached[0]), 1000)
    assert shown["short_name"] == models[0]


def test_the_toml_is_an_entry_of_ones_own(
    run: Run, models: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(run("zoo", "show", models[0], "--toml")[1])
    assert read_entry(path) == find_entry(models[0])


def test_the_publication_is_printed_for_bibtex(run: Run, tiny: Path) -> None:
    code, out, _ = run("zoo", "show", "pspnet_r50-d8_512x1024_40k", "--bibtex")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("% ")
    assert lines[1:] == [
        "@misc{pspnet,",
        "  title = {{Pyramid Scene Parsing Network}},",
        "  howpublished = {CVPR 2017},",
        "  year = {2017},",
        "  url = {https://arxiv.org/abs/1612.01105},",
        "}",
    ]
    paper = '[paper]\ntitle = "R&D"\nurl = "https://a.org/r&d"\n'
    text = tiny.read_text()
    tiny.write_text(text.replace("[weights]", f"{paper}[weights]"))
    out = run("zoo", "show", tiny, "--bibtex")[1]
    assert "  title = {{R\\&D}},\n  url = {https://a.org/r&d},\n}" in out
    tiny.write_text(text)
    code, _, err = run("zoo", "show", tiny, "--bibtex")
    assert (code, "The entry of tiny has no publication." in err) == (1, True)


def test_an_unknown_model_is_an_error_with_a_next_step(run: Run) -> None:
    code, out, err = run("zoo", "show", "nonsense")
    assert (code, out) == (1, "")
    assert "bddseg zoo list" in err
