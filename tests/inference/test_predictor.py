"""A model called from Python, as a user calls it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from support import write_tiny_model

import bddseg
from bddseg.data.image import read_image
from bddseg.data.mask import read_mask
from bddseg.data.preprocess import fit_size
from bddseg.data.regions import postprocess
from bddseg.data.sources.video import read_video_frames
from bddseg.errors import BddsegError
from bddseg.inference.images import preprocess_on_device
from bddseg.inference.predictor import Predictor
from bddseg.inference.runtimes.torch import TorchRuntime
from bddseg.specs import change_postprocessing
from bddseg.tasks.task import get_task
from bddseg.zoo.catalog import find_entry

Array = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The TOML of a model whose masks hold several classes."""
    return str(write_tiny_model(tmp_path_factory.mktemp("model"), spread=True))


@pytest.fixture(scope="module")
def model(entry: str) -> Predictor:
    return bddseg.load_model(entry, device="cpu")


@pytest.fixture
def image(frames: Path) -> Array:
    return read_image(frames / "a.jpg")


def test_a_model_says_what_it_is(model: Predictor) -> None:
    assert repr(model) == (
        "Predictor(tiny: PSPNet, task drivable (direct, alternative, background), on cpu)"
    )
    assert model.classes == ("direct", "alternative", "background")
    assert model.task.name == "drivable"


def test_paths_pil_images_and_arrays_give_the_same(
    model: Predictor, frames: Path, image: Array
) -> None:
    expected = model(image).labels
    assert len(np.unique(expected)) > 1
    path = frames / "a.jpg"
    wide = np.zeros((image.shape[0], 2 * image.shape[1], 3), np.uint8)
    wide[:, ::2] = image
    for same in (path, str(path), PIL.Image.fromarray(image), wide[:, ::2]):
        assert np.array_equal(model(same).labels, expected)
    assert np.array_equal(model(image[..., ::-1], bgr=True).labels, expected)
    alpha = np.dstack([image, np.full(image.shape[:2], 7, np.uint8)])
    assert np.array_equal(model(alpha).labels, expected)


def test_grey_arrays_and_pil_images_give_the_same(model: Predictor, image: Array) -> None:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8)
    expected = model(np.dstack([grey] * 3)).labels
    for same in (grey, grey[..., None], PIL.Image.fromarray(grey)):
        assert np.array_equal(model(same).labels, expected)


def test_a_list_of_mixed_sizes_gives_a_list_in_its_order(model: Predictor, frames: Path) -> None:
    paths = [frames / "a.jpg", frames / "b.png", frames / "a.jpg", frames / "night" / "c.jpg"]
    predictions = model(paths)
    assert [each.labels.shape for each in predictions] == [
        (72, 128),
        (128, 72),
        (72, 128),
        (97, 161),
    ]
    for path, prediction in zip(paths, predictions, strict=True):
        assert np.array_equal(prediction.labels, model(path).labels)
    assert model([]) == []


def test_threads_may_share_a_model(model: Predictor, image: Array) -> None:
    several = [image, image[:, ::-1], np.zeros_like(image)]
    single = [model(each).labels for each in several]
    with ThreadPoolExecutor(4) as pool:
        for number, prediction in enumerate(pool.map(model, several * 8)):
            assert np.array_equal(prediction.labels, single[number % 3])


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((9, 16, 3), np.float32),
        np.zeros((0, 16, 3), np.uint8),
        np.zeros((9, 16, 2), np.uint8),
        np.zeros(9, np.uint8),
        PIL.Image.new("RGB", (0, 5)),
        None,
        [None],
        b"bytes",
    ],
    ids=["float", "empty", "two channels", "one dimension", "empty PIL", "None", "list", "bytes"],
)
def test_what_is_no_image_is_refused(model: Predictor, wrong: Array) -> None:
    message = r"An image (is an array|of shape .* has no pixels|cannot be of type (NoneType|int))"
    with pytest.raises(BddsegError, match=message) as caught:
        model(wrong)
    assert caught.value.hint
    assert str(caught.value).endswith(caught.value.hint)


@pytest.mark.parametrize("wrong", [None, 3])
def test_what_is_no_model_or_source_is_refused(model: Predictor, wrong: str) -> None:
    with pytest.raises(BddsegError, match=r"A model cannot be of type .*`bddseg zoo list`"):
        bddseg.load_model(wrong)
    with pytest.raises(BddsegError, match="A source cannot be of type"):
        list(model.stream(wrong))


def test_a_model_is_given_by_path_or_as_an_entry(entry: str, model: Predictor) -> None:
    for same in (Path(entry), model.entry):
        assert bddseg.load_model(same, device="cpu").entry == model.entry


def test_an_unknown_precision_or_device_is_refused(entry: str) -> None:
    with pytest.raises(BddsegError, match=r"no precision 'fp8'\. Use one of fp32, tf32, fp16"):
        bddseg.load_model(entry, precision="fp8")  # type: ignore[arg-type]
    for wrong in ("gpu", None):
        with pytest.raises(BddsegError, match=f"'{wrong}' is not a device"):
            bddseg.load_model(entry, device=wrong)  # type: ignore[arg-type]


class CudaRuntime(TorchRuntime):
    """Says that it is on a GPU, where images are sent as they are."""

    def __init__(self) -> None:
        self.device = torch.device("cuda")


def test_views_and_arrays_that_cannot_be_written_to_are_sent_to_a_gpu(
    model: Predictor, image: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    on_gpu = Predictor(model.entry, CudaRuntime())
    frozen = image.copy()
    frozen.flags.writeable = False
    for view in (image[..., ::-1], image[::-1, ::2], frozen):
        (pixels,) = on_gpu.prepare(view).tensors
        assert np.array_equal(pixels.numpy(), view)


def test_a_prediction_draws_and_saves_itself(
    model: Predictor, image: Array, tmp_path: Path
) -> None:
    prediction = model(image)
    assert repr(prediction).startswith("Prediction(drivable, 128x72: ")
    prediction.save(tmp_path / "new" / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "new" / "mask.png"), prediction.labels)
    colors = np.array(prediction.task.colors, np.uint8)
    assert np.array_equal(prediction.colormap(), colors[prediction.labels])
    background = prediction.labels == 2
    overlay = prediction.overlay(alpha=0.5)
    assert np.array_equal(overlay[background], image[background])
    assert not np.array_equal(overlay, image)
    with pytest.raises(BddsegError, match="masks are PNG files"):
        prediction.save(tmp_path / "mask.jpg")


def test_probabilities_and_confidence_agree_with_the_labels(model: Predictor, image: Array) -> None:
    prediction = model(image)
    probabilities = prediction.probabilities()
    assert probabilities.shape == (3, *prediction.labels.shape)
    assert np.allclose(probabilities.sum(axis=0), 1, atol=1e-5)
    assert np.array_equal(probabilities.argmax(axis=0), prediction.labels)
    assert np.array_equal(prediction.logits().argmax(axis=0), prediction.labels)
    assert np.allclose(prediction.confidence, probabilities.max(axis=0))


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A video of four frames."""
    from fractions import Fraction

    from bddseg.vis.video import write_video

    rng = np.random.default_rng(0)
    frames = [
        cv2.resize(rng.integers(0, 256, (9, 16, 3), np.uint8), (128, 72)).astype(np.uint8)
        for _ in range(4)
    ]
    write_video(tmp_path / "drive.mp4", frames, Fraction(25))
    return tmp_path / "drive.mp4"


def test_a_stream_takes_folders_videos_and_generators(
    model: Predictor, frames: Path, drive: Path, image: Array
) -> None:
    names = [prediction.name for prediction in model.stream(frames)]
    assert names == ["a", "b", "night/c", "night/rain/d", "night/rain/e"]
    predictions = list(model.stream(str(drive)))
    assert [each.name for each in predictions] == [f"{n:06}" for n in range(4)]
    # Positions in the video, in seconds.
    assert [each.time for each in predictions] == pytest.approx([0, 0.04, 0.08, 0.12])
    assert {each.latency_ms for each in predictions} == {None}

    def generate() -> Iterator[Array]:
        yield image
        yield image[:, ::-1]

    predictions = list(model.stream(generate()))
    assert [each.name for each in predictions] == ["000000", "000001"]
    assert np.array_equal(predictions[0].labels, model(image).labels)


def test_a_stream_decodes_each_frame_of_a_video_once(
    model: Predictor, drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[list[int]] = []

    def read(path: Path, numbers: Sequence[int]) -> Iterator[tuple[int, Array | BddsegError]]:
        opened.append(list(numbers))
        return read_video_frames(path, numbers)

    monkeypatch.setattr("bddseg.data.sources.video.read_video_frames", read)
    assert len(list(model.stream(drive))) == 4
    assert opened == [[0, 1, 2, 3]]


def test_a_stream_asks_for_one_frame_at_a_time(model: Predictor, image: Array) -> None:
    asked = 0

    def generate() -> Iterator[Array]:
        nonlocal asked
        while True:
            asked += 1
            yield image

    stream = model.stream(generate())
    next(stream)
    next(stream)
    assert asked == 2


def test_a_model_predicts_only_the_tasks_that_it_has(entry: str) -> None:
    with pytest.raises(BddsegError, match="does not predict the task 'sem_seg'"):
        bddseg.load_model(entry, task="sem_seg")


def test_tta_averages_six_scales_and_their_mirrors(entry: str, frames: Path) -> None:
    model = bddseg.load_model(entry, tta=True, device="cpu")
    image = read_image(frames / "a.jpg")
    inputs = [tensor[None] for tensor in model.prepare(image).tensors]
    edges = [(int(64 * scale), int(96 * scale)) for scale in (0.5, 0.75, 1, 1.25, 1.5, 1.75)]
    size_hw = (image.shape[0], image.shape[1])
    assert [tuple(each.shape[2:]) for each in inputs] == [
        fit_size(size_hw, bounds) for bounds in edges
    ]
    assert isinstance(model.runtime, TorchRuntime)
    total = torch.zeros(())
    with torch.inference_mode():
        for each in inputs:
            for flip in (False, True):
                logits = model.runtime.network(each.flip(3) if flip else each)
                assert isinstance(logits, torch.Tensor)
                for target in (each.shape[2:], size_hw):
                    logits = F.interpolate(logits, tuple(target), mode="bilinear")
                scores = logits.softmax(dim=1)
                total = total + (scores.flip(3) if flip else scores)
    expected = total.argmax(dim=1)[0].numpy()
    prediction = model(image)
    assert (prediction.labels == expected).mean() > 0.999
    assert np.allclose(prediction.probabilities(), (total[0] / 12).numpy(), atol=1e-5)
    assert not np.array_equal(expected, bddseg.load_model(entry)(image).labels)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("[preprocessing]", "[preprocessing]\nround_pixels = true"),
        lambda text: text.replace("[preprocessing]", "[preprocessing]\npad_value = 114"),
        lambda text: text.replace(
            "[preprocessing]", '[preprocessing]\nchannel_order = "BGR"\nscale = 0.5'
        ),
    ],
    ids=["plain", "rounded", "padded", "BGR and scaled"],
)
def test_preprocessing_on_a_gpu_equals_that_on_the_cpu(
    entry: str, frames: Path, tmp_path: Path, change: Callable[[str], str]
) -> None:
    path = Path(entry).with_name(f"{abs(hash(tmp_path))}.toml")
    path.write_text(change(Path(entry).read_text()))
    model = bddseg.load_model(str(path), device="cpu")
    spec = model.entry.preprocessing
    for name in ("a.jpg", "night/c.jpg"):
        image = read_image(frames / name)
        (expected,) = model.prepare(image).tensors
        inputs = preprocess_on_device(torch.from_numpy(image)[None], spec)
        # A value between two levels may be rounded either way.
        tolerance = 1.001 / min(spec.std) if spec.round_pixels else 1e-3
        assert (inputs[0] - expected).abs().max() < tolerance


def test_the_public_names_are_shown_by_dir() -> None:
    assert {"evaluate", "infer", "list_models", "load_model", "Prediction"} <= set(dir(bddseg))
    for name in bddseg.__all__:
        assert getattr(bddseg, name) is not None


def test_small_regions_are_removed_where_the_entry_says_so(entry: str, frames: Path) -> None:
    plain = find_entry(entry)
    cleaned = change_postprocessing(plain, min_region=200, min_hole=200)
    image = frames / "a.jpg"
    before, after = (bddseg.load_model(each)(image).labels for each in (plain, cleaned))
    assert np.array_equal(after, postprocess(before, cleaned.postprocessing, get_task("drivable")))
    assert not np.array_equal(before, after)
