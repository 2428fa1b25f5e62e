"""Initial weights: downloaded over HTTP, of other classes, of other architectures."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from bddseg_train.backbones import BACKBONES
from bddseg_train.init import load_initial_weights
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.models.build import ARCHITECTURES, build_network
from bddseg.models.checkpoint import read_checkpoint
from bddseg.zoo.catalog import find_entry, read_catalog
from bddseg.zoo.download import get_weights

FOLDER = "pretrain/third_party"
CATALOG = """
[[entry]]
name = "tiny"
title = "Tiny"
task = "imagenet"
architecture = "resnet"
preprocessing = {{ size_hw = [4, 4], mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0] }}
weights = {{ urls = ["{url}"], sha256_prefix = "{prefix}" }}
"""


def build(
    seed: int = 0,
    architecture: str = "pspnet",
    *,
    num_classes: int = 3,
    depth: int = 18,
    **options: Any,
) -> nn.Module:
    """Return a small network."""
    torch.manual_seed(seed)
    backbone = {"type": "resnet", "depth": depth, "base_channels": 4}
    backbone |= {"strides": [1, 2, 1, 1], "dilations": [1, 1, 2, 4]}
    head = {"channels": 8, "pool_scales": [1, 2]}
    return ARCHITECTURES.load(architecture)(
        num_classes=num_classes,
        dropout=0.1,
        align_corners=False,
        **{"backbone": backbone, "head": head, **options},
    )


def load(network: nn.Module, init: object, seed: int = 0) -> list[str]:
    """Load initial weights, as a run with this seed does."""
    torch.manual_seed(seed)
    return load_initial_weights(network, str(init))


def build_random(seed: int) -> nn.Module:
    """Return a small network with the weights that a run without others starts from."""
    network = build(seed)
    load(network, "", seed)
    return network


def save(path: Path, state: dict[str, Tensor], key: str = "state_dict") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({key: state}, path)
    return path


def list_equal(one: nn.Module, other: nn.Module) -> set[str]:
    """Return the names of the parameters that are equal in two networks."""
    pairs = zip(one.named_parameters(), other.parameters(), strict=True)
    return {name for (name, a), b in pairs if a.shape == b.shape and a.equal(b)}


def list_weights(network: nn.Module) -> set[str]:
    """Return the names of what a new network has at random: norms begin with ones and zeros."""
    return {name for name, each in network.named_parameters() if each.dim() > 1}


class Site:
    """A server of files, and what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.requests: list[str] = []
        requests = self.requests

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                if self.command == "GET":
                    requests.append(self.path)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("bddseg.zoo.http.BACKOFF_S", (0.01, 0.05))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "site")
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    """ImageNet weights as published: a backbone's names, and a classifier; no counters."""
    state = {
        name.removeprefix("backbone."): tensor
        for name, tensor in build(1).state_dict().items()
        if name.startswith("backbone.") and not name.endswith("num_batches_tracked")
    }
    classifier = {"fc.weight": torch.zeros(10, 32), "fc.bias": torch.zeros(10)}
    return save(tmp_path / "site" / FOLDER / "tiny-01234567.pth", state | classifier)


def publish(path: Path, url: str, monkeypatch: pytest.MonkeyPatch, prefix: str = "") -> None:
    """Let the catalog have a backbone `tiny` at a URL, with its checksum or another one."""
    prefix = prefix or hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    catalog = path.with_suffix(".toml")
    catalog.write_text(CATALOG.format(url=f"{url}/{FOLDER}/{path.name}", prefix=prefix))
    monkeypatch.setattr("bddseg_train.backbones.BACKBONES", catalog)


def test_a_backbone_is_downloaded_once_and_checked(
    site: Site, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(backbone, site.url, monkeypatch)
    network = build(0)
    for _ in range(2):
        notes = load(network, "backbone:tiny")
    assert site.requests == [f"/{FOLDER}/{backbone.name}"]
    cached = tmp_path / "home" / FOLDER / backbone.name
    assert cached.read_bytes() == backbone.read_bytes()
    assert '"checked_against": "the entry of tiny"' in (
        cached.with_name(f"{cached.name}.receipt.json").read_text()
    )
    loaded = list_equal(network, build(1)) & list_weights(network)
    assert loaded == {name for name in list_weights(network) if name.startswith("backbone.")}
    assert list_equal(network, build_random(0)) >= list_weights(network) - loaded
    assert "fc" in notes[0]
    assert "the heads with random ones" in notes[1]
    assert len(notes) == 2


def test_a_backbone_with_another_checksum_is_refused(
    site: Site, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(backbone, site.url, monkeypatch, prefix="00000000")
    with pytest.raises(BddsegError) as caught:
        load(build(), "backbone:tiny")
    digest = hashlib.sha256(backbone.read_bytes()).hexdigest()[:8]
    assert f"its SHA-256's beginning is {digest}, expected 00000000" in caught.value.message
    assert "--init FILE" in caught.value.hint
    assert not (tmp_path / "home" / FOLDER / backbone.name).exists()


@pytest.mark.parametrize("path", ["", f"/{FOLDER}"])
def test_a_backbone_comes_from_a_mirror(
    site: Site, backbone: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    publish(backbone, "http://127.0.0.1:9", monkeypatch)
    monkeypatch.setenv("BDDSEG_MIRRORS", site.url + path)
    network = build(0)
    load(network, "backbone:tiny")
    assert "backbone.layer1.0.conv1.weight" in list_equal(network, build(1))


def test_the_published_checksums_are_those_in_the_names_of_the_files() -> None:
    entries = read_catalog(BACKBONES)
    assert [entry.name for entry in entries] == ["resnet50_v1c", "resnet101_v1c", "hrnetv2_w48"]
    for entry in entries:
        name = f"{entry.name}-{entry.weights.digest}.pth"
        assert entry.weights.urls == [f"https://download.openmmlab.com/{FOLDER}/{name}"]


def test_a_file_of_a_backbone_is_recognized(backbone: Path) -> None:
    network = build(0)
    load(network, backbone)
    assert "backbone.layer1.0.conv1.weight" in list_equal(network, build(1))


def test_a_models_published_weights_are_loaded() -> None:
    network, entry = build_network(find_entry("demo")), find_entry("demo")
    assert load(network, "zoo:demo") == []
    state = read_checkpoint(get_weights(entry))
    assert all(tensor.equal(state[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("key", ["state_dict", "network"])
def test_a_checkpoint_is_loaded(tmp_path: Path, key: str) -> None:
    network = build(0)
    path = save(tmp_path / "last.pt", build(1).state_dict(), key)
    assert load(network, path) == []
    assert list_equal(network, build(1)) >= list_weights(network)


def test_nothing_means_random_weights() -> None:
    network = build(0)
    assert load(network, "") == ["All weights are random at the start."]
    assert list_equal(network, build_random(0)) == {name for name, _ in network.named_parameters()}
    assert not list_equal(network, build_random(1)) & list_weights(network)


def test_random_weights_are_distributed_as_mmsegmentations() -> None:
    weights = dict(build_random(0).named_parameters())
    for name, channels in (("backbone.layer4.0.conv2", 32), ("decode_head.bottleneck.conv", 8)):
        # Kaiming, over outputs: variance 2 / (channels x 9).
        assert weights[f"{name}.weight"].std().item() == pytest.approx(
            (2 / (channels * 9)) ** 0.5, rel=0.05
        )
    assert weights["decode_head.conv_seg.weight"].abs().max() < 0.05
    assert not weights["decode_head.conv_seg.bias"].any()


@pytest.mark.parametrize(
    ("architecture", "options"),
    [("gcnet", {"ratio": 0.25}), ("dnlnet", {"reduction": 2, "use_scale": True})],
)
def test_context_blocks_are_the_identity_at_first(
    architecture: str, options: dict[str, Any]
) -> None:
    network = build(0, architecture, head={"channels": 8, **options})
    load(network, "")
    (block,) = (each for name, each in network.named_modules() if name.endswith("_block"))
    maps = torch.rand(2, 8, 5, 6)
    assert torch.equal(block(maps), maps)


def test_a_class_layer_of_another_size_stays_random(tmp_path: Path) -> None:
    network = build(0)
    path = save(tmp_path / "city.pth", build(1, num_classes=19).state_dict())
    layer = {"decode_head.conv_seg.weight", "decode_head.conv_seg.bias"}
    assert load(network, path) == [
        "city.pth has another number of classes: decode_head.conv_seg.weight, "
        "decode_head.conv_seg.bias start random."
    ]
    assert list_equal(network, build_random(0)) >= layer
    assert list_equal(network, build(1, num_classes=19)) >= list_weights(network) - layer


def test_layers_that_one_side_lacks_are_named(tmp_path: Path) -> None:
    path = save(tmp_path / "with.pth", build(1, auxiliary_head={"channels": 8}).state_dict())
    (note,) = load(build(0), path)
    assert note.startswith("with.pth has 7 unexpected parameters: auxiliary_head.")
    path = save(tmp_path / "without.pth", build(1).state_dict())
    (note,) = load(build(0, auxiliary_head={"channels": 8}), path)
    assert note.startswith("without.pth has 7 missing parameters: auxiliary_head.")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 34}, "unexpected parameters: backbone.layer1.2.conv1.weight"),
        ({"head": {"channels": 16, "pool_scales": [1, 2]}}, "instead of 8x"),
        ({"head": {"channels": 8, "pool_scales": [1, 2, 3, 6]}}, "decode_head.psp_modules.2"),
    ],
)
def test_a_checkpoint_of_another_architecture_is_an_error_that_lists_names(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    network = build(0)
    path = save(tmp_path / "other.pth", build(1, **options).state_dict())
    with pytest.raises(BddsegError) as caught:
        load(network, path)
    assert caught.value.message.startswith(f"{path} contains weights of another architecture. ")
    assert words in caught.value.message
    assert list_equal(network, build_random(0)) == {name for name, _ in network.named_parameters()}


def test_a_checkpoint_with_nan_is_refused(tmp_path: Path) -> None:
    state = build(1).state_dict()
    state["backbone.layer1.0.conv1.weight"].fill_(float("nan"))
    path = save(tmp_path / "nan.pth", state)
    with pytest.raises(BddsegError, match=r"layer1.0.conv1.weight contains NaN"):
        load(build(0), path)


def test_a_backbone_does_not_fit_a_network_of_another_kind(backbone: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    with pytest.raises(BddsegError, match="another architecture"):
        load(network, backbone)
