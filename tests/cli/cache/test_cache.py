"""`bddseg cache`."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from support import Run

from bddseg.inference.runtimes import graph_cache
from bddseg.inference.runtimes.graph_cache import GraphInfo


def store(model: str, used_s: int) -> Path:
    path = graph_cache.get_folder() / f"{model}_0123_64x96.onnx"
    content = b"x" * 1_500_000
    info = GraphInfo(
        model=model,
        size_hw=(64, 96),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        align_corners=False,
    )
    graph_cache.store_graph(path, content, info)
    os.utime(path, (used_s, used_s))
    return path


@pytest.fixture
def graphs(tiny: Path) -> list[Path]:
    return [store("tiny", 1_700_000_000), store("demo", 1_700_000_060), store("other", 1)]


def test_graphs_are_listed_with_the_last_used_first(run: Run, graphs: list[Path]) -> None:
    graphs[2].with_suffix(".json").unlink()
    code, out, _ = run("cache", "list")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[1] == ["demo", "64x96", "1.5", "2023-11-14", "22:14:20"]
    assert rows[2][0] == "tiny"
    assert rows[3][:2] == ["damaged", "0x0"]
    assert f"3 graphs, 4.5 MB of 4,000.0 MB, in {graphs[0].parent}." in out
    content = json.loads(run("cache", "list", "--json")[1])
    assert [each["model"] for each in content["graphs"]] == ["demo", "tiny", "damaged"]
    assert content["graphs"][1]["path"] == str(graphs[0])


def test_an_empty_cache_is_listed(run: Run) -> None:
    assert run("cache", "list")[1].startswith("0 graphs, 0.0 MB of")


def test_the_graphs_of_a_model_are_deleted(run: Run, graphs: list[Path], tiny: Path) -> None:
    code, out, _ = run("cache", "clear", tiny, "--json")
    assert code == 0
    assert json.loads(out) == {"removed": [str(graphs[0])], "size_bytes": 1_500_000}
    assert sorted(graphs[0].parent.glob("*.onnx")) == sorted(graphs[1:])
    assert not graphs[0].with_suffix(".json").exists()


def test_all_graphs_are_deleted_and_nothing_else(run: Run, graphs: list[Path]) -> None:
    weights = graphs[0].parent.parent / "weights.pth"
    weights.write_text("")
    (graphs[0].parent / "tensorrt").mkdir()
    code, out, _ = run("cache", "clear", "--all")
    assert (code, out) == (0, "Deleted 3 graphs, 4.5 MB.\n")
    assert not [*graphs[0].parent.iterdir()]
    assert weights.exists()


@pytest.mark.parametrize("arguments", [[], ["demo", "--all"]])
def test_models_or_all_have_to_be_given(run: Run, arguments: list[str]) -> None:
    code, _, err = run("cache", "clear", *arguments)
    assert code == 2
    assert "Give models, or use --all" in err
