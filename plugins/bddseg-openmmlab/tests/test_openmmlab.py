"""Configs of mmsegmentation run by bddseg, and our networks compared with theirs."""

import json
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bddseg.cli.app import app
from bddseg.data.image import read_image
from bddseg.data.mask import read_mask
from bddseg.zoo.catalog import list_entries

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip(
        "mmseg", reason="needs mmcv-full and mmsegmentation 0.x: make test-openmmlab"
    )
    from bddseg_openmmlab.config import make_entry
    from bddseg_openmmlab.network import OpenMMLabNetwork, build_openmmlab
    from bddseg_openmmlab.reference import Reference
    from mmcv import Config
    from mmseg.models import build_segmentor

# A small model; the words in capitals are replaced below.
CONFIG = """
norm = dict(type="SyncBN", requires_grad=True)
model = dict(
    type="EncoderDecoder",
    pretrained="open-mmlab://resnet18_v1c",
    backbone=dict(
        type="ResNetV1c", depth=18, base_channels=8, num_stages=4, out_indices=(0, 1, 2, 3),
        dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1), norm_cfg=norm,
    ),
    decode_head=dict(
        type="PSPHead", in_channels=64, in_index=3, channels=16, pool_scales=(1, 2),
        num_classes=3, norm_cfg=norm, align_corners=ALIGN, dropout_ratio=0.1,
        loss_decode=dict(type="CrossEntropyLoss"),
    ),
    train_cfg=dict(),
    test_cfg=TEST,
)
normalize = dict(mean=[100.0, 110.0, 120.0], std=[50.0, 55.0, 60.0], to_rgb=RGB)
data = dict(
    test=dict(
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(
                type="MultiScaleFlipAug", img_scale=(128, 72), flip=False,
                transforms=[
                    dict(type="Resize", keep_ratio=True), dict(type="RandomFlip"),
                    dict(type="Normalize", **normalize),
                    dict(type="ImageToTensor", keys=["img"]), dict(type="Collect", keys=["img"]),
                ],
            ),
        ]
    )
)
"""
SLIDE = 'dict(mode="slide", crop_size=(48, 48), stride=(32, 32))'
KINDS = {
    "whole": {"ALIGN": "False", "RGB": "True", "TEST": 'dict(mode="whole")'},
    "slide": {"ALIGN": "True", "RGB": "True", "TEST": SLIDE},
    "bgr": {"ALIGN": "False", "RGB": "False", "TEST": 'dict(mode="whole")'},
}


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A config, and a checkpoint as mmsegmentation's training writes it."""
    text = CONFIG
    for key, value in KINDS[request.param].items():
        text = text.replace(key, value)
    path = tmp_path / f"tiny_{request.param}.py"
    path.write_text(text)
    torch.manual_seed(0)
    # SyncBN has the same parameter names as BN.
    config = Config.fromstring(text.replace("SyncBN", "BN"), ".py")
    config.model.pretrained = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        segmentor = build_segmentor(config.model)
    # The mean of the features must not favour a class.
    classifier = torch.randn(segmentor.decode_head.conv_seg.weight.shape)
    classifier -= classifier.mean(dim=1, keepdim=True)
    segmentor.decode_head.conv_seg.weight.data = 5 * classifier
    meta = {"epoch": 1, "CLASSES": ["direct", "alternative", "background"]}
    weights = tmp_path / "w.pth"
    torch.save({"meta": meta, "state_dict": segmentor.state_dict()}, weights)
    return path, weights


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder of frames of several sizes."""
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (72, 128)), ("b.png", (97, 61)), ("c.png", (50, 200))):
        path = tmp_path / "frames" / name
        path.parent.mkdir(exist_ok=True)
        coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, size[::-1]))
    return tmp_path / "frames"


def test_the_entry_has_the_values_of_the_config(model: tuple[Path, Path]) -> None:
    path, _ = model
    entry = make_entry(path, "drivable")
    assert entry.preprocessing.size_hw == (72, 128)
    assert entry.preprocessing.keep_ratio
    assert entry.preprocessing.mean == (100.0, 110.0, 120.0)
    assert entry.preprocessing.std == (50.0, 55.0, 60.0)
    assert entry.preprocessing.channel_order == ("BGR" if "bgr" in path.name else "RGB")
    window = entry.sliding_window
    if "slide" in path.name:
        assert window is not None
        assert (window.crop_hw, window.stride_hw) == ((48, 48), (32, 32))
    else:
        assert window is None
    assert entry.title == "PSPHead"


@pytest.mark.parametrize("workers", [1, 2])
def test_masks_are_those_of_mmsegmentation(
    model: tuple[Path, Path], frames: Path, tmp_path: Path, workers: int
) -> None:
    path, weights = model
    out = tmp_path / "out"
    command = ("openmmlab", "infer", path, weights, frames, "-o", out)
    code, text, err = run(*command, "--device", "cpu", "--workers", workers)
    assert code == 0, err
    assert "3 of 3 frames done" in text
    reference = Reference(Config.fromfile(str(path)), make_entry(path, "drivable"), str(path))
    reference.load(torch.load(weights, weights_only=True)["state_dict"])
    seen: set[int] = set()
    for frame in sorted(frames.iterdir()):
        mask = read_mask(out / "masks" / frame.name)
        assert (reference.predict(read_image(frame)) == mask).mean() > 0.999
        seen |= set(np.unique(mask).tolist())
    assert len(seen) > 1
    # The same command resumes: all frames are done.
    assert "3 were there already" in run(*command, "--device", "cpu")[1]


# mmcv does not close its copy of a config that fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_cannot_be_run_is_an_error(
    model: tuple[Path, Path], frames: Path, tmp_path: Path
) -> None:
    path, weights = model
    out = tmp_path / "o"
    rest = (weights, frames, "-o", out)
    broken = tmp_path / "broken.py"
    broken.write_text("model = nothing")
    other = tmp_path / "other.py"
    other.write_text("a = 1")
    odd = tmp_path / "odd.py"
    odd.write_text(path.read_text().replace("PSPHead", "NoSuchHead"))
    zero = tmp_path / "zero.py"
    zero.write_text(path.read_text().replace("std=[50.0", "std=[0.0"))
    for config, options, expected in (
        (tmp_path / "none.py", (), "There is no config"),
        (broken, (), "is not a config of mmsegmentation 0.x: NameError"),
        (other, (), "is not a config of mmsegmentation 0.x"),
        (odd, (), "NoSuchHead"),
        (zero, (), "each std has to be above 0"),
        (path, ("-t", "sem_seg"), "has 3 classes, but the task has 19"),
        (path, ("--workers", "zero"), "Invalid value"),
    ):
        code, _, err = run("openmmlab", "infer", config, *rest, *options)
        assert code in (1, 2)
        assert expected in err
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    code, _, err = run("openmmlab", "infer", path, tmp_path / "a.pth", frames, "-o", out)
    assert code == 1
    assert "weights of another architecture" in err
    assert not list(out.rglob("*.png"))


def test_state_dicts_of_the_network_and_of_mmsegmentation_load(model: tuple[Path, Path]) -> None:
    path, _ = model
    network = build_openmmlab(num_classes=3, config=str(path))
    assert isinstance(network, OpenMMLabNetwork)
    state = network.state_dict()
    assert network.convert_state_dict(state) == dict(state)
    assert set(network.convert_state_dict(network.model.state_dict())) == set(state)


ONE_OF_EACH = {entry.architecture: entry for entry in reversed(list_entries()) if entry.scores}


@pytest.mark.parametrize("architecture", sorted(ONE_OF_EACH))
def test_ours_equals_the_reference(architecture: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # A narrow frame keeps the input small within the bounds of the zoo's models.
    coarse = rng.integers(0, 256, (4, 40, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), cv2.resize(coarse, (640, 64)))
    name = ONE_OF_EACH[architecture].name
    code, out, err = run("openmmlab", "compare", name, tmp_path, "--seed", 1, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["agreement"] > 0.999
    assert result["largest_difference"] < 1e-2
    assert result["classes"] > 1
    assert min(result["reference_s"], result["ours_s"], result["ratio"]) > 0


def test_another_reference_is_refused(model: tuple[Path, Path], frames: Path) -> None:
    """The tiny config has other parameters than the model of the zoo."""
    code, _, err = run(
        *("openmmlab", "compare", "pspnet_r50-d8_512x1024_40k", frames),
        *("--seed", 1, "--config", model[0]),
    )
    assert code == 1
    assert "do not fit the reference model" in err
