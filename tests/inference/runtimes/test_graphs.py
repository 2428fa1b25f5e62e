"""Exported graphs and their cache."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
import torch

from bddseg.errors import BddsegWarning
from bddseg.inference.runtimes import graph_cache, graphs
from bddseg.inference.runtimes.graph_cache import GraphInfo
from bddseg.inference.runtimes.graphs import ExportedGraphs
from bddseg.specs import Entry
from bddseg.zoo.download import get_weights

SIZE_HW = (64, 96)


def fail(*_: object, **__: object) -> NoReturn:
    raise AssertionError("it was done again")


@pytest.mark.usefixtures("shared_graphs")
def test_a_graph_is_exported_once_and_its_network_not_loaded_again(
    small: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = get_weights(small)
    content = ExportedGraphs(small, weights).read(SIZE_HW)
    monkeypatch.setattr(graphs, "export_onnx", fail)
    monkeypatch.setattr(graphs, "load_network", fail)
    again = ExportedGraphs(small, weights)
    assert again.read(SIZE_HW) == content
    assert again.align_corners is False


@pytest.mark.parametrize("damage", ["content", "description", "no description", "nothing"])
def test_a_damaged_graph_is_exported_again(
    small: Entry, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [b"second", b"first"]
    monkeypatch.setattr(graphs, "export_onnx", lambda *_: contents.pop())
    cached = ExportedGraphs(small, get_weights(small))
    assert cached.read(SIZE_HW) == b"first"
    path = cached.get_path(SIZE_HW)
    if damage == "content":
        path.write_bytes(b"firsT")
    elif damage == "description":
        path.with_suffix(".json").write_bytes(b"{")
    elif damage == "no description":
        path.with_suffix(".json").unlink()
    assert cached.read(SIZE_HW) == (b"first" if damage == "nothing" else b"second")
    assert path.read_bytes() == (b"first" if damage == "nothing" else b"second")
    assert sorted(each.suffix for each in path.parent.iterdir()) == [".json", ".onnx"]


def test_other_weights_options_and_versions_have_other_graphs(
    small: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = get_weights(small)
    state = torch.load(weights, weights_only=True)
    state["decode_head.conv_seg.bias"] += 1
    changed = tmp_path / "changed.pth"
    torch.save(state, changed)
    options = small.options | {"align_corners": True}
    paths = [
        ExportedGraphs(small, weights).get_path(SIZE_HW),
        ExportedGraphs(small, weights).get_path((64, 64)),
        ExportedGraphs(small, weights, winograd=True).get_path(SIZE_HW),
        ExportedGraphs(small, changed).get_path(SIZE_HW),
        ExportedGraphs(msgspec.structs.replace(small, options=options), weights).get_path(SIZE_HW),
    ]
    monkeypatch.setattr(graphs, "version", lambda name: f"{name} 99")
    paths.append(ExportedGraphs(small, weights).get_path(SIZE_HW))
    monkeypatch.setattr(graphs, "_OWN_CODE", ("io",))
    paths.append(ExportedGraphs(small, weights).get_path(SIZE_HW))
    assert len(set(paths)) == len(paths)


def store(name: str, used: int, *, size: int = 100) -> Path:
    path = graph_cache.get_folder() / name
    content = name[:1].encode() * size
    info = GraphInfo(
        model="own",
        size_hw=SIZE_HW,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=size,
        align_corners=False,
    )
    graph_cache.store_graph(path, content, info)
    os.utime(path, (used, used))
    return path


def test_graphs_that_were_not_used_for_longest_are_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(graph_cache, "LIMIT_BYTES", 350)
    first, second, third = store("a.onnx", 1), store("b.onnx", 2), store("c.onnx", 3)
    assert graph_cache.read_graph(first) == b"a" * 100
    last = store("d.onnx", 4)
    assert [graph.path for graph in graph_cache.list_graphs()] == [first, third, last]
    assert not second.with_suffix(".json").exists()
    # One that is too large alone is kept: it is in use.
    large = store("e.onnx", 5, size=1000)
    assert [graph.path for graph in graph_cache.list_graphs()] == [large]


def test_a_cache_that_cannot_be_written_is_a_warning(
    small: Entry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("BDDSEG_HOME", str(blocked))
    monkeypatch.setattr(graphs, "export_onnx", lambda *_: b"graph")
    with pytest.warns(BddsegWarning, match="A graph was not cached"):
        assert ExportedGraphs(small, get_weights(small)).read(SIZE_HW) == b"graph"


_PROCESS = """
import sys, time
from pathlib import Path
from bddseg.inference.runtimes import graphs
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.download import get_weights

def export(*_):
    print("exported")
    time.sleep(1)
    return b"graph"

graphs.export_onnx = export
entry = find_entry(sys.argv[1])
cached = graphs.ExportedGraphs(entry, get_weights(entry))
print("ready", flush=True)
sys.stdin.readline()
assert cached.read((64, 96)) == b"graph"
"""


def test_of_two_processes_one_exports_a_graph(tiny: Path) -> None:
    command = [sys.executable, "-c", _PROCESS, str(tiny)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=dict(os.environ))
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate()[0] for process in processes]
    assert sorted(outputs) == ["", "exported\n"]
    assert [process.returncode for process in processes] == [0, 0]
