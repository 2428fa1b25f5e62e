"""The cache: verified, damaged, removed, and a user's own model."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from bddseg.zoo.assets import get_weights_asset
from bddseg.zoo.cache import get_cached_path
from bddseg.zoo.catalog import find_entry, list_entries
from bddseg.zoo.entry import format_entry, read_entry

MODELS = ("pspnet_r50-d8_512x1024_40k", "dnl_r50-d8_512x1024_40k", "fcn_hr48_512x1024_40k")


def fill_cache(folder: Path, run, *flags: str) -> list[Path]:
    """Take three files from a folder, the last one without a checksum."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number, model in enumerate(MODELS):
        name = f"{model}_drivable_bdd100k"
        body = bytes([number]) * 1000
        (folder / f"{name}.pth").write_bytes(body)
        if number < 2:
            (folder / f"{name}.md5").write_text(hashlib.md5(body).hexdigest())
        paths.append(get_cached_path(get_weights_asset(find_entry(model))))
    assert run("zoo", "download", *MODELS, "--from", folder, "--allow-unverified")[0] == 0
    return paths


@pytest.fixture
def paths(tmp_path, run, monkeypatch):
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    return fill_cache(tmp_path / "files", run)


def test_verify_tells_good_from_unverified(paths, run):
    code, out, _ = run("zoo", "verify", "--json")
    assert code == 0
    states = {entry["path"]: entry["state"] for entry in json.loads(out)}
    assert [states[str(path)] for path in paths] == ["good", "good", "unverified"]


def test_verify_finds_a_flipped_bit(paths, run):
    body = bytearray(paths[1].read_bytes())
    body[500] ^= 1
    paths[1].write_bytes(body)
    code, out, err = run("zoo", "verify")
    assert code == 1
    assert "bad" in next(line for line in out.splitlines() if "dnl" in line)
    assert "1 of 3 files are damaged" in err
    assert run("zoo", "verify", MODELS[0])[0] == 0
    assert run("zoo", "verify", MODELS[1])[0] == 1


def test_a_file_put_there_by_hand_is_unverified(paths, run):
    path = get_cached_path(get_weights_asset(find_entry("pspnet_r101-d8_512x1024_80k")))
    path.write_bytes(b"something")
    (found,) = json.loads(run("zoo", "verify", "pspnet_r101-d8_512x1024_80k", "--json")[1])
    assert (found["state"], found["path"]) == ("unverified", str(path))


def test_a_cut_file_is_noticed_when_it_is_used(paths, run, tmp_path):
    paths[0].write_bytes(paths[0].read_bytes()[:-1])
    code, _, err = run("infer", MODELS[0], tmp_path, "-o", tmp_path / "out")
    assert code == 1
    assert "has 999 bytes, and had 1,000 when it was fetched" in err
    assert f"bddseg zoo download {MODELS[0]} --force" in err


def test_an_empty_cache_is_no_error(run, monkeypatch, tmp_path):
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path / "none"))
    assert run("zoo", "verify")[:2] == (0, f"Nothing is cached in {tmp_path / 'none'}.\n")


def test_path_is_printed_only_if_the_file_is_there(paths, run):
    assert run("zoo", "path", MODELS[0])[:2] == (0, f"{paths[0]}\n")
    code, out, err = run("zoo", "path", "pspnet_r101-d8_512x1024_80k")
    assert (code, out) == (1, "")
    assert "bddseg zoo download pspnet_r101-d8_512x1024_80k" in err
    shown = json.loads(run("zoo", "path", "pspnet_r101-d8_512x1024_80k", "--json")[1])
    assert shown["cached"] is False


def test_remove_takes_all_that_belongs_to_a_model(paths, run):
    part = paths[0].with_name(f".{paths[0].name}.part")
    part.write_bytes(b"begun")
    code, out, _ = run("zoo", "remove", MODELS[0], "--yes", "--json")
    assert code == 0
    assert json.loads(out) == {"removed": [str(paths[0]), str(part)], "size_bytes": 1005}
    left = [path.name for path in paths[0].parent.iterdir() if path.suffix != ".lock"]
    assert not [name for name in left if "pspnet" in name]
    assert paths[1].is_file()


def test_remove_all_empties_the_cache(paths, run):
    part = paths[0].with_name(".never_finished.pth.part")
    part.write_bytes(b"begun")
    assert run("zoo", "remove", "--all", "--yes")[0] == 0
    home = Path(os.environ["BDDSEG_HOME"])
    files = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert files == []


def test_remove_asks_first(paths, run, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, _, err = run("zoo", "remove", MODELS[0])
    assert code == 1
    assert str(paths[0]) in err
    assert paths[0].is_file()
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run("zoo", "remove", MODELS[0])[0] == 0
    assert not paths[0].exists()


@pytest.mark.parametrize("command", ["download", "remove"])
def test_all_and_names_exclude_each_other(run, command):
    assert run("zoo", command)[0] == 2
    assert run("zoo", command, MODELS[0], "--all")[0] == 2


def test_one_file_is_no_source_for_two_models(paths, run):
    assert run("zoo", "download", *MODELS[:2], "--from", paths[0])[0] == 2


@pytest.mark.parametrize("entry", list_entries(), ids=lambda entry: entry.short_name)
def test_the_toml_of_every_model_reads_back_the_same(entry, tmp_path):
    path = tmp_path / "copy.toml"
    path.write_text(format_entry(entry))
    assert read_entry(path) == entry


def test_show_prints_toml_to_start_from(run, tmp_path, tiny, frames):
    toml = run("zoo", "show", tiny, "--toml")[1]
    path = tmp_path / "elsewhere.toml"
    path.write_text(toml)
    assert run("infer", path, frames, "-o", tmp_path / "out", "--device", "cpu")[0] == 0


def test_the_checksum_of_an_own_file_is_checked(tiny, frames, tmp_path, run):
    weights = tiny.parent / "tiny.pth"
    right = hashlib.sha256(weights.read_bytes()).hexdigest()
    text = tiny.read_text()
    tiny.write_text(f'{text}\nsha256 = "{right}"')
    arguments = ("infer", tiny, frames, "-o", tmp_path / "out", "--device", "cpu")
    assert run(*arguments)[0] == 0
    tiny.write_text(f'{text}\nsha256 = "{"0" * 64}"')
    code, _, err = run(*arguments)
    assert code == 1
    assert f"its SHA256 is {right}, and {'0' * 64} was expected" in err
    weights.unlink()
    assert "There is no weights file" in run(*arguments)[2]


def test_an_entry_without_weights_says_so(tiny, frames, tmp_path, run):
    tiny.write_text(tiny.read_text().replace('[weights]\nfile = "tiny.pth"\n', ""))
    code, _, err = run("infer", tiny, frames, "-o", tmp_path / "out")
    assert code == 1
    assert "names no weights" in err
    assert "--weights FILE" in err
