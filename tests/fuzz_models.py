"""Kinds of damaged inputs for `fuzz.py`: entries and checkpoints."""

import random
import re
import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path

import safetensors.torch
import torch
from fuzz import add_kind, mutate
from torch import nn

from bddseg.io.read import is_file
from bddseg.models.build import build_network
from bddseg.models.checkpoint import load_weights
from bddseg.zoo.assets import AssetKind, list_assets
from bddseg.zoo.cache import get_weights_path
from bddseg.zoo.catalog import format_entry, read_catalog

_CATALOG = """
[base.a]
task = "drivable"
license = "MIT"

[base.b]
extends = "a"
architecture = "pspnet"

[base.b.options]
dropout = 0.1
align_corners = false

[base.b.options.backbone]
type = "resnet"
depth = 18
base_channels = 4
strides = [1, 2, 1, 1]
dilations = [1, 1, 2, 4]

[base.b.options.head]
channels = 8
pool_scales = [1, 2]

[base.b.preprocessing]
size_hw = [64, 96]
mean = [123.675, 116.28, 103.53]
std = [58.395, 57.12, 57.375]

[[entry]]
extends = "b"
name = "one"
title = "One"
class_map = [2, 1, 0]
weights.urls = ["https://host/{name}.pth"]
weights.md5 = "00000000000000000000000000000000"
sliding_window.crop_hw = [32, 32]
sliding_window.stride_hw = [16, 16]

[[entry]]
extends = "b"
name = "two"
title = "Two"
weights.file = "./two.pth"
"""
_VALUES = (
    *("-1", "0", "1e400", "nan", "-inf", "9" * 30, "9" * 5000, "true", "2024-01-01", "[]", "{}"),
    *("[[1]]", "[1, 2, 3, 4]", "{a.b = 1}", '""', '"../x"', '"/x"', r'"\u0000"', r'"one\n"'),
    *('"' + "x" * 300 + '"', '"{name}"', "[" * 3000 + "]" * 3000, '"http://[x"', "'./x'"),
)


@add_kind("entries")
def _read_entries(rng: random.Random) -> None:
    """A catalog with a damaged text, or with other values; the networks are built, without data."""
    text = _CATALOG
    for _ in range(rng.choice([0, 1, 1, 2])):
        values = list(re.finditer(r"(?<== )[^{\n]+$", text, re.MULTILINE))
        value = rng.choice(values)
        text = text[: value.start()] + rng.choice(_VALUES) + text[value.end() :]
    if rng.random() < 0.4:
        text = mutate(text.encode(), rng).decode("latin-1")
    Path("catalog.toml").write_text(text)
    for entry in read_catalog(Path("catalog.toml")):
        list_assets(entry, AssetKind.WEIGHTS)
        is_file(get_weights_path(entry))
        format_entry(entry)
        with torch.device("meta"):
            build_network(entry)


@cache
def _make_checkpoints() -> tuple[bytes, ...]:
    """Return the weights of a small network in each format."""
    files = []
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        file = BytesIO()
        torch.save(_make_network().state_dict(), file, **options)
        files.append(file.getvalue())
    return (*files, safetensors.torch.save(_make_network().state_dict()))


def _make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


@add_kind("checkpoints")
def _read_checkpoints(rng: random.Random) -> None:
    """A damaged checkpoint: its bytes, or those of a file in the archive."""
    data = rng.choice(_make_checkpoints())
    path = Path("w.safetensors" if data[8:9] == b"{" else "w.pth")
    if data.startswith(b"PK") and rng.random() < 0.6:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        changed = rng.choice([name for name in members if "data" in name])
        members[changed] = mutate(members[changed], rng)
        with zipfile.ZipFile(path, "w", rng.choice([0, zipfile.ZIP_DEFLATED])) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        path.write_bytes(mutate(data, rng))
    load_weights(_make_network(), path)
