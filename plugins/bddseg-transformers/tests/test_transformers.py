"""Small models with random weights, saved by transformers itself."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from bddseg.cli.app import app
from bddseg.data.image import read_image
from bddseg.data.mask import read_mask
from bddseg.errors import BddsegError
from bddseg.models.build import build_network
from bddseg.testing import ARCHITECTURE_CONTRACTS, Example, make_example
from bddseg.zoo.catalog import read_entry

transformers: Any = pytest.importorskip("transformers", reason="needs transformers")


def run_command(*arguments: object) -> tuple[int, str, str]:
    """Run the command line: returns (exit code, stdout, stderr)."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder of frames of two sizes."""
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (72, 128)), ("deep/b.png", (97, 61))):
        path = tmp_path / "frames" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, size[::-1]))
    return tmp_path / "frames"


LABELS = dict(enumerate(("road", "sidewalk", "car", "lane", "sky")))


def make_segformer() -> Any:
    torch.manual_seed(0)
    config = transformers.SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label=LABELS,
    )
    return transformers.SegformerForSemanticSegmentation(config)


def make_mask2former() -> Any:
    torch.manual_seed(0)
    backbone = transformers.SwinConfig(
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        dim_feedforward=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=6,
        id2label=LABELS,
    )
    return transformers.Mask2FormerForUniversalSegmentation(config)


MODELS = {"segformer": make_segformer, "mask2former": make_mask2former}


@pytest.fixture(scope="module", params=MODELS)
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Path]:
    """A model, in evaluation mode, and the folder that it was saved to."""
    folder = tmp_path_factory.mktemp("models") / request.param
    model = MODELS[request.param]().eval()
    # Scores that differ between classes, so that masks contain several.
    for name, parameter in model.named_parameters():
        if name.endswith("classifier.weight") or "class_predictor" in name:
            torch.nn.init.normal_(parameter, 0, 5)
        elif "mask_embedder" in name or "mask_projection" in name:
            torch.nn.init.normal_(parameter, 0, 1)
    model.save_pretrained(folder)
    processor = {"size": {"height": 64, "width": 96}, "image_mean": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(
        json.dumps(processor | {"image_std": [0.25] * 3})
    )
    return model, folder


@pytest.fixture(scope="module")
def entry(model: tuple[Any, Path]) -> Path:
    """The entry that the command writes."""
    _, folder = model
    path = folder.parent / f"{folder.name}.toml"
    mapping = ("--map", "direct=road", "--map", "alternative=lane, sidewalk")
    code, out, err = run_command("transformers", "entry", folder, "-o", path, *mapping)
    assert code == 0, err
    assert f"bddseg infer {path}" in out
    return path


@pytest.fixture(scope="module")
def example(entry: Path) -> Example:
    """The entry's network, with random weights."""
    return make_example(str(entry))


def test_the_entry_has_the_values_of_the_folder(model: tuple[Any, Path], entry: Path) -> None:
    content = tomllib.loads(entry.read_text())
    name = model[1].name
    assert content["options"]["folder"] == f"./{name}"
    assert content["weights"]["file"] == f"./{name}/model.safetensors"
    assert content["preprocessing"] == {
        "size_hw": [64, 96],
        "keep_ratio": False,
        "round_pixels": True,
        "mean": [127.5] * 3,
        "std": [63.75] * 3,
    }


def score(model: Any, images: Tensor) -> Tensor:
    """Return the scores of the model's own classes, computed as in its documentation."""
    with torch.inference_mode():
        output = model(pixel_values=images)
        if hasattr(output, "logits"):
            logits: Tensor = output.logits
            return logits
        classes = output.class_queries_logits.softmax(-1)[..., :-1]
        return torch.einsum("bqc,bqhw->bchw", classes, output.masks_queries_logits.sigmoid())


def test_masks_are_those_of_the_model(
    model: tuple[Any, Path], entry: Path, frames: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    # How many workers there are does not depend on the model: one with two of them is enough.
    workers = 2 if entry.stem == "segformer" else 1
    options = ("--device", "cpu", "--workers", workers)
    code, _, err = run_command("infer", entry, frames, "-o", out, *options)
    assert code == 0, err
    seen: set[int] = set()
    for path in sorted(frames.rglob("*.*")):
        frame = read_image(path)
        small = cv2.resize(frame, (96, 64), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        image = torch.from_numpy((small - 127.5) / 63.75).permute(2, 0, 1)[None]
        scores = score(model[0], image)
        groups = ([0], [3, 1], [2, 4])
        best = torch.stack([scores[:, group].amax(1) for group in groups], 1)
        for size in ((64, 96), frame.shape[:2]):
            best = torch.nn.functional.interpolate(best, size, mode="bilinear")
        mask = read_mask((out / "masks" / path.relative_to(frames)).with_suffix(".png"))
        assert (best.argmax(1)[0].numpy() == mask).mean() > 0.999
        seen |= set(np.unique(mask).tolist())
    assert len(seen) > 1


@pytest.mark.parametrize("contract", ARCHITECTURE_CONTRACTS, ids=lambda each: each.__name__)
def test_contract(contract: Callable[[Example], None], entry: Path, example: Example) -> None:
    if "mask2former" in entry.name and contract.__name__ == "trains_every_parameter":
        pytest.skip("the heads of its layers are trained by additional losses")
    contract(example)


def test_weights_that_do_not_fit_are_named(
    model: tuple[Any, Path], entry: Path, frames: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(model[1] / "model.safetensors")
    lost = sorted(state)[3]
    tensor = state.pop(lost)
    save_file(state, tmp_path / "less.safetensors")
    save_file(state | {lost: tensor, "more": tensor.clone()}, tmp_path / "more.safetensors")
    for name, expected in (
        ("less", "1 missing parameter: "),
        ("more", "1 unexpected parameter: more"),
    ):
        weights = ("--weights", tmp_path / f"{name}.safetensors")
        code, _, err = run_command("infer", entry, frames, "-o", tmp_path / "o", *weights)
        assert code == 1
        assert expected in err


@pytest.fixture(scope="module")
def build(entry: Path) -> Callable[..., nn.Module]:
    """Build the network of a folder with other options than the entry's."""

    def build(folder: Path, **options: Any) -> nn.Module:
        options["folder"] = str(folder)
        return build_network(msgspec.structs.replace(read_entry(entry), options=options))

    return build


def test_what_does_not_fit_together_is_an_error(
    model: tuple[Any, Path], build: Callable[..., nn.Module], tmp_path: Path
) -> None:
    folder = model[1]
    cases: list[tuple[str, Callable[[], nn.Module]]] = [
        ("contains no config.json", lambda: build(tmp_path)),
        ("has 5 classes, but the task has 3", lambda: build(folder)),
        ("has no class 'street'", lambda: build(folder, classes={"direct": ["street"]})),
        ("no task with 3 classes has these", lambda: build(folder, classes={"drivable": ["road"]})),
    ]
    for expected, call in cases:
        with pytest.raises(BddsegError, match=expected):
            call()
    other = tmp_path / "other"
    transformers.BertConfig().save_pretrained(other)
    with pytest.raises(BddsegError, match="'bert' model, which is not a segmentation model"):
        build(other, classes={"direct": ["LABEL_0"]})


def test_classes_that_a_model_does_not_have_are_never_predicted(
    model: tuple[Any, Path], build: Callable[..., nn.Module]
) -> None:
    network = build(model[1], classes={"direct": ["road"]}).eval()
    with torch.inference_mode():
        scores = network(torch.randn(2, 3, 64, 96))
    assert scores.isfinite().all()
    assert not (scores.argmax(1) == 1).any()


def test_classes_in_order_need_no_mapping(build: Callable[..., nn.Module], tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = make_segformer().config
    config.id2label = dict(enumerate("abc"))
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(tmp_path)
    assert build(tmp_path)(torch.randn(2, 3, 64, 96)).shape[1] == 3


def test_a_folder_without_weights_is_refused(model: tuple[Any, Path], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((model[1] / "config.json").read_bytes())
    code, _, err = run_command(
        "transformers", "entry", tmp_path, "-o", "o.toml", "--map", "direct=road"
    )
    assert code == 1
    assert "contains no model.safetensors" in err


def test_paths_in_options_are_relative_to_the_toml(model: tuple[Any, Path], entry: Path) -> None:
    assert read_entry(entry).options["folder"] == str(model[1])
