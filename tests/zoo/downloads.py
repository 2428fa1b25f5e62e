"""A model whose weights are on a test server, and what is true after its download."""

import hashlib
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bddseg.zoo.assets import get_weights_asset
from bddseg.zoo.cache import Receipt, get_cached_path, get_part_paths, read_receipt
from bddseg.zoo.catalog import read_entry

BODY = random.Random(0).randbytes(3_000_000)
OTHER = random.Random(1).randbytes(3_000_000)
MD5 = hashlib.md5(BODY).hexdigest()
PATH, MD5_PATH = "/nets/net.pth", "/nets/net.md5"
COMMAND = [sys.executable, "-m", "bddseg"]
ZOO_MODEL = "pspnet_r50-d8_512x1024_40k_drivable_bdd100k"

Result = tuple[int, str, str]


def write_toml(folder: Path, weights: str) -> Path:
    """Write the entry of a model of that `[weights]` table."""
    path = folder / "mine.toml"
    path.write_text(f"""
name = "mine"
title = "Mine"
task = "drivable"
architecture = "pspnet"
preprocessing = {{size_hw = [4, 4], mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0]}}
[weights]
{weights}
""")
    return path


def get_cached(model: Path) -> Path:
    """Return the path of the model's weights in the cache."""
    return get_cached_path(get_weights_asset(read_entry(model)))


def get_part(model: Path) -> Path:
    """Return the path of the model's unfinished download."""
    return get_part_paths(get_cached(model))[0]


def get_receipt(path: Path) -> Receipt:
    """Return the receipt of a cached file, which has one."""
    receipt = read_receipt(path)
    assert receipt is not None
    return receipt


def assert_downloaded(model: Path) -> None:
    """Check file and receipt."""
    assert get_cached(model).read_bytes() == BODY
    assert not get_part(model).exists()
    receipt = get_receipt(get_cached(model))
    assert (receipt.md5, receipt.sha256) == (MD5, hashlib.sha256(BODY).hexdigest())
    assert receipt.size_bytes == len(BODY)
    assert datetime.fromisoformat(receipt.date) > datetime.now(UTC) - timedelta(minutes=5)


def assert_refused(model: Path, result: Result, *words: str) -> None:
    """Check exit code 1, one message with its hint, no traceback, and no file in the cache."""
    code, out, err = result
    assert code == 1
    assert out == ""
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if "trying again" not in line]
    assert len(lines) == 2
    for word in words:
        assert word in lines[0]
    assert not get_cached(model).exists()
    assert read_receipt(get_cached(model)) is None


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.01)
