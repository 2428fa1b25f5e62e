"""Defaults from files: whose value counts, and errors about wrong ones."""

import json
from pathlib import Path

import pytest
from support import Run

from bddseg.config import PROJECT_FILE, list_config_files
from bddseg.record import read_record
from bddseg.zoo.addresses import DownloadOptions, list_addresses
from bddseg.zoo.assets import get_weights_asset
from bddseg.zoo.catalog import find_entry


@pytest.fixture(autouse=True)
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file, which does not exist yet; the current folder is the project's."""
    user, project = tmp_path / "user" / "config.toml", tmp_path / "project"
    for folder in (user.parent, project):
        folder.mkdir()
    monkeypatch.setattr("bddseg.config.user_config_path", lambda _: user.parent)
    monkeypatch.chdir(project)
    return user


def test_a_project_replaces_values_of_the_user(user_file: Path, run: Run) -> None:
    user_file.write_text('runtime = "onnx"\nthreads = 3\n')
    PROJECT_FILE.write_text('runtime = "torch"\n')
    code, out, _ = run("config", "--json")
    assert code == 0
    assert json.loads(out) == {
        "files": [str(user_file), str(PROJECT_FILE)],
        "values": {"runtime": "torch", "threads": 3},
        "from": {"runtime": str(PROJECT_FILE), "threads": str(user_file)},
    }
    assert list_config_files() == [user_file, PROJECT_FILE]


def test_infer_takes_the_defaults_and_an_option_comes_first(
    tiny: Path, frames: Path, run: Run
) -> None:
    PROJECT_FILE.write_text('runtime = "torch"\nthreads = 2\n')
    threads = {}
    for out, options in (("a", []), ("b", ["--threads", "1"])):
        code, _, errors = run("infer", tiny, frames, "-o", out, "-n", 1, *options)
        assert code == 0, errors
        record = read_record(Path(out))
        assert record
        threads[out] = record.arguments["execution"]["num_threads"]
    assert threads == {"a": 2, "b": 1}


def test_the_runtime_is_a_default_too(tiny: Path, frames: Path, run: Run) -> None:
    PROJECT_FILE.write_text('runtime = "tensorrt"\n')
    code, _, errors = run("infer", tiny, frames, "-o", "out")
    assert code == 1
    assert "tensorrt" in errors


def test_mirrors_follow_those_of_options_and_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    PROJECT_FILE.write_text('mirrors = ["https://c.example"]\n')
    monkeypatch.setenv("BDDSEG_MIRRORS", "https://b.example")
    asset = get_weights_asset(find_entry("pspnet_r50-d8_512x1024_40k"))
    addresses = map(str, list_addresses(asset, DownloadOptions(mirrors=["https://a.example"])))
    hosts = [each.split("/")[2] for each in addresses]
    assert hosts[:6:2] == ["a.example", "b.example", "c.example"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("thread = 2", "Did you mean threads?"),
        ("threads = 0", "threads"),
        ('runtime = "openvin"', "openvino"),
        ("runtime = ", "not valid TOML"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_file(text: str, named: str, run: Run) -> None:
    PROJECT_FILE.write_text(text)
    for command in (["config"], ["zoo", "list"]):
        code, _, errors = run(*command)
        assert code == 1
        assert "bddseg.toml" in errors
        assert named in errors
    # The page for bug reports is shown all the same.
    code, out, _ = run("doctor")
    assert code == 1
    assert "Cache" in out
    assert "bddseg.toml" in out


def test_help_needs_no_configuration(run: Run) -> None:
    PROJECT_FILE.write_text("nonsense")
    assert run("--help")[0] == 0
