"""`bddseg infer`, as a user runs it."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bddseg.data.frames import read_frame
from bddseg.data.masks import read_mask
from bddseg.data.transforms import fit_size
from bddseg.engine.model import load_model
from bddseg.engine.pipeline import Clock

MASKS = ["a.png", "b.png", "night/c.png", "night/rain/d.png", "night/rain/e.png"]


def list_files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def spread_classes(weights):
    """Give the model's classes stronger and opposed reasons, so that masks hold several."""
    state = torch.load(weights, weights_only=True)
    generator = torch.Generator().manual_seed(3)
    state["decode_head.conv_seg.weight"].normal_(0, 10, generator=generator)
    state["decode_head.conv_seg.bias"].zero_()
    torch.save(state, weights)


def test_every_frame_gets_a_mask_of_its_own_size(run, tiny, frames, tmp_path):
    code, out, err = run("infer", tiny, frames, "-o", tmp_path / "out", "--device", "cpu")
    assert code == 0, err
    assert "5 of 5 frames done into" in out
    assert list_files(tmp_path / "out") == [*MASKS, "run.json"]
    for name in MASKS:
        (frame,) = frames.glob(name.replace(".png", ".*"))
        labels = read_mask(tmp_path / "out" / name)
        assert labels.shape == read_frame(frame).shape[:2]
        assert set(np.unique(labels)) <= {0, 1, 2}


def test_a_mask_is_what_the_model_says(run, tiny, frames, tmp_path):
    spread_classes(tiny.with_name("tiny.pth"))
    run("infer", tiny, frames, "-o", tmp_path / "out")
    expected = load_model(str(tiny))(read_frame(frames / "night" / "c.jpg"))
    assert len(np.unique(expected)) > 1
    assert np.array_equal(read_mask(tmp_path / "out" / "night" / "c.png"), expected)


def test_the_record_says_how_the_masks_were_made(run, tiny, frames, tmp_path):
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
    assert set(worker["seconds"]) == {"read", "prepare", "network", "download", "write"}


def test_broken_frames_are_named_counted_and_stop_nothing(run, tiny, frames, tmp_path):
    (frames / "night" / "broken.jpg").write_text("no image")
    (frames / "empty.png").touch()
    code, out, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert code == 1
    assert "5 of 7 frames done into" in out
    assert "2 failed" in out
    assert "broken.jpg is no image" in err
    assert list_files(tmp_path / "out") == [*MASKS, "run.json"]
    named = [failure["frame"] for failure in record["failures"]]
    assert named == [str(frames / "empty.png"), str(frames / "night" / "broken.jpg")]


def test_weights_can_be_given(run, tiny, frames, tmp_path):
    other = torch.load(tiny.with_name("tiny.pth"), weights_only=True)
    other = {"state_dict": {name: tensor * 0 for name, tensor in other.items()}, "meta": {}}
    torch.save(other, tmp_path / "zero.pth")
    tiny.with_name("tiny.pth").unlink()
    out = tmp_path / "out"
    code, _, _ = run("infer", tiny, frames, "-o", out, "--weights", tmp_path / "zero.pth")
    assert code == 0
    assert set(np.unique(read_mask(out / "a.png"))) == {0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "nonsense"}, "no model named 'nonsense'. The nearest:"),
        ({"model": "none.toml"}, "Cannot read none.toml: No such file"),
        ({"source": "none"}, "none does not exist"),
        ({"--weights": "none.pth"}, "no weights file none.pth"),
        ({"--device": "cuda:99"}, "'cuda:99' is not available"),
        ({"--device": "abacus"}, "'abacus' is no device"),
        ({"model": "dnl_r50-d8_512x1024_40k"}, "dnl_r50-d8_512x1024_40k_drivable_bdd100k.pth"),
    ],
)
def test_each_mistake_gets_one_message_and_a_next_step(run, tiny, frames, tmp_path, change, said):
    arguments = {"model": tiny, "source": frames} | change
    options = [word for key in change if key[0] == "-" for word in (key, change[key])]
    out = tmp_path / "out"
    code, stdout, err = run("infer", arguments["model"], arguments["source"], "-o", out, *options)
    assert (code, stdout) == (1, "")
    assert said in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 2
    assert not out.exists()


def test_weights_of_another_architecture_are_refused(run, tiny, frames, tmp_path):
    torch.save({"decode_head.other": torch.zeros(2)}, tiny.with_name("tiny.pth"))
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "holds weights of another architecture" in err
    assert "missing: backbone.stem.0.weight" in err


def test_an_output_that_cannot_be_written_ends_the_run(run, tiny, frames, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "file")
    assert code == 1
    assert "Cannot write" in err
    assert "Choose another output with -o" in err


def test_a_frame_is_never_overwritten_by_its_mask(run, tiny, frames):
    before = (frames / "b.png").read_bytes()
    code, _, err = run("infer", tiny, frames / "b.png", "-o", frames)
    assert code == 1
    assert "would take the frame's own place" in err
    assert (frames / "b.png").read_bytes() == before


def test_an_entry_with_an_unknown_key_is_named(run, tiny, frames, tmp_path):
    tiny.write_text(tiny.read_text() + "\n[preprocesing]\n")
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "tiny.toml" in err
    assert "preprocesing" in err


def test_ctrl_c_leaves_whole_masks_and_exits_with_130(tiny, frames, tmp_path):
    for number in range(400):
        shutil.copy(frames / "a.jpg", frames / f"copy{number:03}.jpg")
    out = tmp_path / "out"
    # Where the tests run in the background, Ctrl-C is ignored; a terminal does not ignore it.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from bddseg.cli.app import main; main()"
    command = [sys.executable, "-c", code, "infer", str(tiny), str(frames), "-o", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while len(list(out.glob("*.png"))) < 3:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in err
    masks = list(out.glob("*.png"))
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "interrupted"
    assert record["done"] == len(masks) < 405
    assert {read_mask(mask).shape for mask in masks} <= {(72, 128), (128, 72)}


def test_tta_averages_six_scales_and_their_mirrors(tiny, frames):
    spread_classes(tiny.with_name("tiny.pth"))
    model = load_model(str(tiny), tta=True)
    frame = read_frame(frames / "a.jpg")
    images = [image[None] for image in model.prepare(frame).images]
    edges = [(int(64 * scale), int(96 * scale)) for scale in (0.5, 0.75, 1, 1.25, 1.5, 1.75)]
    assert [tuple(image.shape[2:]) for image in images] == [
        fit_size(frame.shape[:2], bounds) for bounds in edges
    ]
    total = 0
    with torch.inference_mode():
        network = model._segmenter.network
        for image in images:
            for flip in (False, True):
                logits = network(image.flip(3) if flip else image)
                for size_hw in (image.shape[2:], frame.shape[:2]):
                    logits = F.interpolate(logits, tuple(size_hw), mode="bilinear")
                scores = logits.softmax(dim=1)
                total = total + (scores.flip(3) if flip else scores)
    expected = total.argmax(dim=1)[0].numpy()
    assert (model(frame) == expected).mean() > 0.999
    assert not np.array_equal(expected, load_model(str(tiny))(frame))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_changes_few_pixels(run, tiny, frames, tmp_path, precision):
    spread_classes(tiny.with_name("tiny.pth"))
    run("infer", tiny, frames, "-o", tmp_path / "full")
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "half", "--precision", precision)
    assert code == 0, err
    record = json.loads((tmp_path / "half" / "run.json").read_text())
    assert record["arguments"]["precision"] == precision
    full, half = (
        np.concatenate([read_mask(tmp_path / name / mask).ravel() for mask in MASKS])
        for name in ("full", "half")
    )
    assert 0.9 < (full == half).mean() < 1


def test_the_clock_adds_up():
    clock = Clock()
    for _ in range(3):
        with clock.time("nothing"):
            pass
    assert 0 <= clock.seconds["nothing"] < 1
