"""The cache: damaged files, a user's own weights, and entries as TOML."""

import hashlib
from pathlib import Path

import pytest
from support import Run

from bddseg.errors import BddsegError
from bddseg.progress import SilentProgress
from bddseg.specs import Entry
from bddseg.zoo.addresses import DownloadOptions
from bddseg.zoo.assets import Asset, get_weights_asset
from bddseg.zoo.cache import FileState, get_cached_path, read_receipt, verify_file
from bddseg.zoo.catalog import find_entry, format_entry, list_entries, read_entry
from bddseg.zoo.download import Downloader, get_weights

MODEL = "pspnet_r50-d8_512x1024_40k"


@pytest.fixture
def asset() -> Asset:
    """The weights of a model of the zoo."""
    return get_weights_asset(find_entry(MODEL))


@pytest.fixture
def path(asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cached file of the model, copied from a folder with its MD5."""
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    body = b"weights" * 100
    (tmp_path / asset.path.name).write_bytes(body)
    (tmp_path / asset.path.with_suffix(".md5").name).write_text(hashlib.md5(body).hexdigest())
    return Downloader(DownloadOptions(local=tmp_path), SilentProgress()).download(asset)


def test_a_file_of_published_md5_is_good(path: Path) -> None:
    assert verify_file(path)[0] is FileState.GOOD


def test_a_flipped_bit_is_found(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[50] ^= 1
    path.write_bytes(body)
    state, reason = verify_file(path)
    assert state is FileState.BAD
    assert "SHA-256 is" in reason


def test_a_file_without_a_receipt_is_unverified(asset: Asset) -> None:
    path = get_cached_path(asset)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something")
    assert verify_file(path)[0] is FileState.UNVERIFIED
    assert read_receipt(path) is None


def test_a_truncated_file_is_found_when_it_is_used(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BddsegError, match="has 699 bytes, and had 700 when it was") as caught:
        get_weights(find_entry(MODEL))
    assert f"bddseg zoo download {MODEL} --force" in caught.value.hint


@pytest.mark.parametrize("entry", list_entries(), ids=lambda entry: entry.short_name)
def test_the_toml_of_every_model_reads_back_the_same(entry: Entry, tmp_path: Path) -> None:
    path = tmp_path / "copy.toml"
    path.write_text(format_entry(entry))
    assert read_entry(path) == entry


def test_the_checksum_of_an_own_file_is_checked(tiny: Path) -> None:
    weights = tiny.parent / "tiny.pth"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    text = tiny.read_text()
    tiny.write_text(f'{text}\nsha256 = "{digest}"')
    assert get_weights(read_entry(tiny)) == weights
    tiny.write_text(f'{text}\nsha256 = "{"0" * 64}"')
    with pytest.raises(BddsegError, match=f"its SHA-256 is {digest}, expected {'0' * 64}"):
        get_weights(read_entry(tiny))
    weights.unlink()
    with pytest.raises(BddsegError, match=r"The weights file .* does not exist"):
        get_weights(read_entry(tiny))


def test_an_entry_without_weights_is_an_error_with_a_hint(
    tiny: Path, frames: Path, tmp_path: Path, run: Run
) -> None:
    tiny.write_text(tiny.read_text().replace('[weights]\nfile = "tiny.pth"\n', ""))
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "has no weights" in err
    assert "--weights FILE" in err


def test_a_cache_folder_of_nobody_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDDSEG_HOME", "~nobody-of-that-name/cache")
    code, _, err = run("zoo", "list")
    assert code == 1
    assert "There is no folder ~nobody-of-that-name/cache." in err
