"""The README and the pages beside it say what is true: tables, links and commands."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import typer.main
from safetensors.torch import load_file
from support import Run, read_demo_frame
from typer.testing import CliRunner

from bddseg.cli.app import app
from bddseg.data.image import write_jpeg
from bddseg.data.mask import write_mask
from bddseg.zoo.catalog import find_entry, list_entries
from bddseg.zoo.download import get_weights

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CONTRIBUTING.md", "plugins/README.md", "plugins/bddseg-lite/README.md")
ROWS = re.findall(
    r"^\| \[(.+?)\]\((.+?)\) \| (.+?) \| (\d+) \| `(.+?)` \| (.+?) \| (.+?) \|$", README, re.M
)

# Commands with these words are parsed and not run, each for a reason.
NOT_RUN = {
    "zoo download": "needs the network; tests/zoo/test_download.py runs it",
    "--gpus": "needs GPUs",
    "--device cuda": "needs a GPU",
    "--precision": "needs a GPU",
    "lane_binary": "the demo's model has one task; plugins/bddseg-realtime/tests run it",
    "--nnodes": "needs several machines; tests/inference/distributed runs it on one",
    "torchrun": "tests/inference/distributed runs it",
    "srun": "needs Slurm",
    "data check": "needs a folder to train on; tests/cli/data runs it",
    "--show": "needs a camera and a window; tests/cli/test_infer_live.py",
    "--stream": "needs a camera; tests/cli/test_infer_live.py runs it on loopback",
    "train ": "takes hours; plugins/bddseg-train/tests run it",
    "quantize": "needs more frames; tests/cli/test_quantize.py runs it",
    "model.int8": "is written by quantize",
    "package": "needs all masks of the split; tests/bdd100k/test_evalai.py runs it",
}
# All models but the demo's need a download, so it stands in for each.
MODELS = sorted({"MODEL", *(entry.short_name for entry in list_entries())}, key=len, reverse=True)
ANY_MODEL = re.compile(rf"(?<![\w/.-])({'|'.join(map(re.escape, MODELS))})(?![\w/-]|\.\w)")


class Block(NamedTuple):
    """A block of code of a page, and the heading above it."""

    page: str
    heading: str
    language: str
    code: str


def read_blocks() -> list[Block]:
    """Return all blocks of code, in order."""
    blocks = []
    pattern = r"^#+ (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<code>.*?)^```$"
    for page in PAGES:
        heading = ""
        for match in re.finditer(pattern, (ROOT / page).read_text(encoding="utf-8"), re.M | re.S):
            heading = match["heading"] or heading
            if match["code"] is not None:
                blocks.append(Block(page, heading, match["language"], match["code"]))
    return blocks


def select(language: str) -> pytest.MarkDecorator:
    """Parametrize a test with the blocks in a language."""
    blocks = [block for block in read_blocks() if block.language == language]
    return pytest.mark.parametrize(
        "block", blocks, ids=lambda block: f"{block.page}: {block.heading}"
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the README's commands read, by the names used there."""
    folder = tmp_path_factory.mktemp("readme")
    for number in (2, 100):
        frame, labels = read_demo_frame(number)
        write_jpeg(folder / f"FRAMES/{number}.jpg", np.ascontiguousarray(frame[::5, ::5]))
        write_mask(folder / f"GROUND_TRUTH/{number}.png", labels[::5, ::5])
    attributes = {"weather": "clear", "scene": "highway", "timeofday": "night"}
    frames = [{"name": f"{number}.jpg", "attributes": attributes} for number in (2, 100)]
    (folder / "LABELS.json").write_text(repr(frames).replace("'", '"'))
    shutil.copy(folder / "FRAMES" / "2.jpg", folder / "street.jpg")
    torch.save(load_file(get_weights(find_entry("demo"))), folder / "WEIGHTS.pth")
    for command in (
        "infer demo FRAMES -o out --format mask,colormap,overlay,rle",
        "vis video -i FRAMES -r out/masks -o drive.mp4",
        "vis grid -i out/overlays -o grid.jpg",
        "eval -g GROUND_TRUTH -r out/masks --per-image scores.csv",
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            result = CliRunner().invoke(app, command.split())
        assert result.exit_code == 0, result.output
    for name in ("before", "after"):
        shutil.copytree(folder / "out", folder / name)
    shutil.copytree(folder / "out" / "masks", folder / "DIR")
    return folder


@pytest.fixture
def workplace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, as the current one."""
    shutil.copytree(prepared, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@select("shell")
def test_every_command_works(block: Block, run: Run, workplace: Path) -> None:
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            check_command(words, run)


def check_command(words: list[str], run: Run) -> None:
    """Run or parse a command line; one that is not known here fails."""
    match words:
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), words
        case [".venv/bin/pre-commit", "install"]:
            assert (ROOT / ".pre-commit-config.yaml").is_file()
        case ["pip", "install", *rest]:
            for word in rest:
                path = re.sub(r"\[.*\]", "", word)
                assert path in ("-c", "bddseg") or (ROOT / path).exists(), words
        case ["bddseg", *rest] if not any(each in " ".join(rest) for each in NOT_RUN):
            run_command(rest, run)
        case ["bddseg", *rest]:
            parse(rest)
        case ["python", *rest]:
            subprocess.run([sys.executable, *rest], check=True)
        case ["torchrun" | "srun", *rest]:
            parse(rest[rest.index("bddseg") + 1 :])
        case _:
            pytest.fail(f"No rule says how to check: {shlex.join(words)}")


def run_command(words: list[str], run: Run) -> None:
    """Run a command with the demo's model; what it writes is removed first."""
    words = [ANY_MODEL.sub("demo", word) for word in words]
    words, file = (words[:-2], words[-1]) if ">" in words else (words, None)
    written = {"-o", "--out", "--out-file"} | ({"--per-image"} if words[0] == "eval" else set())
    for option in written & {*words}:
        out = Path(words[words.index(option) + 1])
        shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
    code, text, errors = run(*words)
    assert code == 0, f"bddseg {shlex.join(words)}\n{text}{errors}"
    if file:
        Path(file).write_text(text)


def parse(words: list[str]) -> None:
    """Parse a command line, so that unknown commands and options and wrong values are errors."""
    # Numbers, and paths of other machines.
    words = [re.sub("^N$", "0", re.sub("^/.*", ".", word)) for word in words]
    command: Any = typer.main.get_command(app)
    context = command.make_context("bddseg", [], resilient_parsing=True)
    while hasattr(command, "resolve_command"):
        _, command, words = command.resolve_command(context, words)
    command.make_context("bddseg", words)


@select("python")
def test_the_python_code_runs(block: Block, workplace: Path) -> None:
    shutil.rmtree("out")  # The code writes it.
    code = ANY_MODEL.sub("demo", block.code).replace('"cuda"', '"cpu"')
    exec(code, {"frame": read_demo_frame(2).frame, "__name__": "readme"})


def test_every_block_of_code_is_checked() -> None:
    assert {block.language for block in read_blocks()} == {"shell", "python"}


def test_the_table_of_the_zoo_has_every_architecture_once() -> None:
    zoo = [entry for entry in list_entries() if entry.scores]
    assert {row[0] for row in ROWS} == {entry.title for entry in zoo}
    assert len(ROWS) == 12
    assert sum(int(row[3]) for row in ROWS) == len(zoo)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_of_the_table_is_the_catalogs(row: tuple[str, ...]) -> None:
    title, url, venue, _, best, val, test = row
    entry = find_entry(best)
    assert entry.scores
    assert entry.paper
    assert (entry.title, entry.paper.url, entry.paper.venue) == (title, url, venue)
    assert (f"{entry.scores.miou_val:.2f}", f"{entry.scores.miou_test:.2f}") == (val, test)
    others = [other.scores for other in list_entries() if other.title == title]
    assert entry.scores.miou_val == max(scores.miou_val for scores in others if scores)


@pytest.mark.parametrize("page", [*PAGES, "tests/benchmarks/README.md"])
def test_every_file_that_a_page_links_to_exists(page: str) -> None:
    for link in re.findall(r"\]\((?!https?://)([^)#]+)\)", (ROOT / page).read_text("utf-8")):
        assert ((ROOT / page).parent / link).exists(), link


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len(README.splitlines()) < 300
