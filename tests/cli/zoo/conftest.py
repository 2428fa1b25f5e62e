"""A filled cache, and the fixtures of downloads."""

import hashlib
from pathlib import Path

import pytest
from support import Run
from zoo.fixtures import _short_backoff, model, site

from bddseg.zoo.assets import get_weights_asset
from bddseg.zoo.cache import get_cached_path
from bddseg.zoo.catalog import find_entry

__all__ = ["_short_backoff", "cached", "model", "models", "site"]

_MODELS = ("pspnet_r50-d8_512x1024_40k", "dnl_r50-d8_512x1024_40k", "fcn_hr48_512x1024_40k")


@pytest.fixture
def models() -> tuple[str, ...]:
    """The short names of three models."""
    return _MODELS


@pytest.fixture
def cached(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The weights of the three models in the cache; the last one has no checksum."""
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    folder = tmp_path / "files"
    folder.mkdir()
    paths = []
    for number, name in enumerate(_MODELS):
        path = get_cached_path(get_weights_asset(find_entry(name)))
        body = bytes([number]) * 1000
        (folder / path.name).write_bytes(body)
        if number < 2:
            (folder / path.with_suffix(".md5").name).write_text(hashlib.md5(body).hexdigest())
        paths.append(path)
    assert run("zoo", "download", *_MODELS, "--from", folder, "--allow-unverified")[0] == 0
    return paths
