"""`bddseg infer`, as a user runs it."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from support import Run

from bddseg.data.image import read_image
from bddseg.data.mask import read_mask, write_mask
from bddseg.errors import BddsegWarning
from bddseg.inference.predictor import load_model
from bddseg.models.network import Network

NAMES = ["a", "b", "night/c", "night/rain/d", "night/rain/e"]
MASKS = [f"masks/{name}.png" for name in NAMES]
RUN_FILES = ["manifest.jsonl", *MASKS, "run.json"]


def list_files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def spread_classes(weights: Path) -> None:
    """Give the model weights with which its masks hold several classes."""
    state = torch.load(weights, weights_only=True)
    generator = torch.Generator().manual_seed(3)
    state["decode_head.conv_seg.weight"].normal_(0, 10, generator=generator)
    state["decode_head.conv_seg.bias"].zero_()
    torch.save(state, weights)


def test_every_frame_gets_a_mask_of_its_own_size(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    code, out, err = run("infer", tiny, frames, "-o", tmp_path / "out", "--device", "cpu")
    assert code == 0, err
    assert "5 of 5 frames done, in" in out
    assert list_files(tmp_path / "out") == RUN_FILES
    for name in MASKS:
        (frame,) = frames.glob(name.removeprefix("masks/").replace(".png", ".*"))
        labels = read_mask(tmp_path / "out" / name)
        assert labels.shape == read_image(frame).shape[:2]
        assert set(np.unique(labels)) <= {0, 1, 2}


def test_a_mask_is_what_the_model_says(run: Run, tiny: Path, frames: Path, tmp_path: Path) -> None:
    spread_classes(tiny.with_name("tiny.pth"))
    run("infer", tiny, frames, "-o", tmp_path / "out")
    expected = load_model(str(tiny))(frames / "night" / "c.jpg").labels
    assert len(np.unique(expected)) > 1
    assert np.array_equal(read_mask(tmp_path / "out" / "masks" / "night" / "c.png"), expected)


def test_the_record_says_how_the_masks_were_made(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    code, out, _ = run("infer", tiny, frames, "-o", tmp_path / "out", "--limit", "3", "--json")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    weights = tiny.with_name("tiny.pth")
    assert code == 0
    assert json.loads(out)["done"] == record["done"] == record["frames"] == 3
    assert record["status"] == "finished"
    assert (record["model"], record["task"]) == ("tiny", "drivable")
    assert record["weights"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert record["arguments"]["source"] == str(frames)
    assert record["arguments"]["selection"]["limit"] == 3
    assert record["versions"]["torch"] == torch.__version__
    assert set(record["seconds"]) == {"load", "run"}
    (worker,) = record["workers"]
    assert set(worker["seconds"]) == {"read", "preprocess", "network", "download", "write"}


def test_broken_frames_are_named_counted_and_stop_nothing(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    (frames / "night" / "broken.jpg").write_text("no image")
    (frames / "empty.png").touch()
    code, out, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert code == 1
    assert "5 of 7 frames done, in" in out
    assert "2 failed" in out
    assert "broken.jpg cannot be read" in err
    assert list_files(tmp_path / "out") == RUN_FILES
    named = [failure["frame"] for failure in record["failures"]]
    assert named == [str(frames / "empty.png"), str(frames / "night" / "broken.jpg")]


def test_masks_in_place_of_frames_get_a_warning(run: Run, tiny: Path, tmp_path: Path) -> None:
    mask = np.zeros((128, 160), np.uint8)
    mask[40:, 30:90], mask[60:, 90:] = 1, 2
    write_mask(tmp_path / "masks" / "a.png", mask)
    with pytest.warns(BddsegWarning, match=r"a\.png has only 3 colors: it looks like a mask"):
        assert run("infer", tiny, tmp_path / "masks", "-o", tmp_path / "out")[0] == 0
    # Warnings are errors in tests.
    grey = np.random.default_rng(0).integers(0, 256, (128, 160), np.uint8)
    write_mask(tmp_path / "frames" / "a.png", grey)
    assert run("infer", tiny, tmp_path / "frames", "-o", tmp_path / "other")[0] == 0


def test_frames_of_too_many_pixels_fail_and_stop_nothing(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BDDSEG_MAX_PIXELS", "")  # the option sets it, and the fixture restores it
    code, out, _ = run(
        "infer", tiny, frames, "-o", tmp_path / "out", "--max-pixels", 9216, "--json"
    )
    record = json.loads(out)
    assert (code, record["done"]) == (1, 4)
    (failure,) = record["failures"]
    assert "c.jpg cannot be read: its size is 161x97, and 1 to 9,216 pixels" in failure["error"]


def test_weights_can_be_given(run: Run, tiny: Path, frames: Path, tmp_path: Path) -> None:
    other = torch.load(tiny.with_name("tiny.pth"), weights_only=True)
    other = {"state_dict": {name: tensor * 0 for name, tensor in other.items()}, "meta": {}}
    torch.save(other, tmp_path / "zero.pth")
    tiny.with_name("tiny.pth").unlink()
    out = tmp_path / "out"
    code, _, _ = run("infer", tiny, frames, "-o", out, "--weights", tmp_path / "zero.pth")
    assert code == 0
    assert set(np.unique(read_mask(out / "masks" / "a.png"))) == {0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "nonsense"}, "no model named 'nonsense'. Did you mean"),
        ({"model": "none.toml"}, "none.toml cannot be read: No such file"),
        ({"source": "none"}, "none does not exist"),
        ({"--weights": "none.pth"}, "weights file none.pth cannot be read"),
        ({"--weights": "/dev/zero"}, "weights file /dev/zero cannot be read: it is not a regular"),
        ({"--device": "cuda:99"}, "'cuda:99' is not available"),
        ({"--device": "abacus"}, "'abacus' is not a device"),
        ({"model": "dnl_r50-d8_512x1024_40k"}, "dnl_r50-d8_512x1024_40k_drivable_bdd100k.pth"),
    ],
)
def test_each_mistake_gets_one_message_and_a_next_step(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    arguments = {"model": tiny, "source": frames} | change
    options = [word for key in change if key[0] == "-" for word in (key, change[key])]
    out = tmp_path / "out"
    code, stdout, err = run("infer", arguments["model"], arguments["source"], "-o", out, *options)
    assert (code, stdout) == (1, "")
    assert said in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 2
    assert not out.exists()


def test_weights_of_another_architecture_are_refused(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    torch.save({"decode_head.other": torch.zeros(2)}, tiny.with_name("tiny.pth"))
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "another architecture" in err
    assert "backbone.stem.0.weight" in err


def test_an_output_that_cannot_be_written_ends_the_run(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "file")
    assert code == 1
    assert "Cannot write" in err
    assert "Choose another output with -o" in err


def test_a_frame_is_never_overwritten_by_its_mask(run: Run, tiny: Path, frames: Path) -> None:
    (frames / "masks").mkdir()
    shutil.copy(frames / "b.png", frames / "masks" / "b.png")
    before = (frames / "masks" / "b.png").read_bytes()
    command = ("infer", tiny, frames / "masks" / "b.png", "-o", frames)
    code, _, err = run(*command)
    assert (code, "b.png exists already" in err) == (1, True)
    code, _, err = run(*command, "--overwrite")
    assert (code, "b.png is an input and would be overwritten" in err) == (1, True)
    assert (frames / "masks" / "b.png").read_bytes() == before


def test_an_entry_with_an_unknown_key_is_named(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    tiny.write_text(tiny.read_text() + "\n[preprocesing]\n")
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "tiny.toml" in err
    assert "preprocesing" in err


@pytest.mark.parametrize(("stop", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_whole_masks_and_exits_with_the_code_of_the_signal(
    tiny: Path, frames: Path, tmp_path: Path, stop: signal.Signals, exit_code: int
) -> None:
    for number in range(400):
        shutil.copy(frames / "a.jpg", frames / f"copy{number:03}.jpg")
    out = tmp_path / "out"
    # Where the tests run in the background, Ctrl-C is ignored; a terminal does not ignore it.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from bddseg.cli.app import main; main()"
    command = [sys.executable, "-c", code, "infer", str(tiny), str(frames), "-o", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while len(list(out.glob("masks/*.png"))) < 3:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(stop)
        _, err = process.communicate(timeout=60)
    assert process.returncode == exit_code
    assert err.splitlines()[-2:] == [
        "Interrupted. Files written so far are complete.",
        "The same command resumes the run.",
    ]
    masks = list(out.glob("masks/*.png"))
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert record["done"] == len(masks) < 405
    assert {read_mask(mask).shape for mask in masks} <= {(72, 128), (128, 72)}


def test_the_ego_region_is_kept_alone_on_request_or_where_the_entry_says_so(
    run: Run, tiny: Path, frames: Path, tmp_path: Path
) -> None:
    spread_classes(tiny.with_name("tiny.pth"))
    masks = {}
    for name, options in {"plain": (), "option": ("--ego-region-only",), "entry": ()}.items():
        if name == "entry":
            text = tiny.read_text()
            tiny.write_text(f"{text}\n[postprocessing]\nego_region_only = true\n")
        code, _, err = run("infer", tiny, frames, "-o", tmp_path / name, *options)
        assert code == 0, err
        masks[name] = [read_mask(tmp_path / name / mask) for mask in MASKS]
    assert all(map(np.array_equal, masks["option"], masks["entry"]))
    assert not all(map(np.array_equal, masks["option"], masks["plain"]))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_changes_few_pixels(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, precision: str
) -> None:
    spread_classes(tiny.with_name("tiny.pth"))
    run("infer", tiny, frames, "-o", tmp_path / "full")
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "half", "--precision", precision)
    assert code == 0, err
    record = json.loads((tmp_path / "half" / "run.json").read_text())
    assert record["arguments"]["execution"]["precision"] == precision
    full, half = (
        np.concatenate([read_mask(tmp_path / name / mask).ravel() for mask in MASKS])
        for name in ("full", "half")
    )
    assert 0.9 < (full == half).mean() < 1


def test_a_compiled_run_says_so_and_is_not_resumed_by_another(
    run: Run, tiny: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []

    def compile_network(network: Network, device: torch.device) -> Network:
        compiled.append(device.type)
        return network

    monkeypatch.setattr("bddseg.inference.runtimes.torch.compile_network", compile_network)
    arguments = ["infer", tiny, frames, "-o", tmp_path / "out", "--device", "cpu"]
    code, _, err = run(*arguments, "--compile")
    assert (code, compiled) == (0, ["cpu"]), err
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["arguments"]["execution"]["compile"] is True
    code, _, err = run(*arguments)
    assert code == 1
    assert "compile was True and is False" in " ".join(err.split())
