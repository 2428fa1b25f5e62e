"""Mirrors, local folders, and the order in which sources are tried."""

import json
import os
from pathlib import Path

import pytest
from support import Run
from zoo.downloads import (
    BODY,
    MD5,
    OTHER,
    ZOO_MODEL,
    assert_downloaded,
    assert_refused,
    get_receipt,
    write_toml,
)
from zoo.site import File, Site, open_site

from bddseg.zoo.assets import get_weights_asset
from bddseg.zoo.cache import get_cached_path
from bddseg.zoo.catalog import find_entry


@pytest.mark.parametrize("folder", ["/drivable/models/", "/"])
def test_a_mirror_has_the_folders_of_the_zoo_or_is_flat(site: Site, run: Run, folder: str) -> None:
    site.files[f"{folder}{ZOO_MODEL}.pth"] = File(body=BODY)
    site.files[f"{folder}{ZOO_MODEL}.md5"] = File(body=f"{MD5}  {ZOO_MODEL}.pth".encode())
    assert run("zoo", "download", ZOO_MODEL, "--mirror", site.url + "/")[0] == 0
    path = get_cached_path(get_weights_asset(find_entry(ZOO_MODEL)))
    assert path.read_bytes() == BODY
    assert path.parts[-3:] == ("drivable", "models", f"{ZOO_MODEL}.pth")


def test_mirrors_are_tried_in_order(site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    short_name = find_entry(ZOO_MODEL).short_name
    with open_site() as second:
        second.files[f"/{ZOO_MODEL}.pth"] = File(body=BODY)
        second.files[f"/{ZOO_MODEL}.md5"] = File(body=MD5.encode())
        monkeypatch.setenv("BDDSEG_MIRRORS", f"{site.url}/a {second.url}")
        code, out, _ = run("zoo", "download", "--json", "--", short_name)
    assert code == 0
    (file,) = json.loads(out)
    assert file["source"] == f"{second.url}/{ZOO_MODEL}.pth"
    assert (file["md5"], file["checked_against"]) == (MD5, f"{second.url}/{ZOO_MODEL}.md5")
    assert any(request.path == f"/a/drivable/models/{ZOO_MODEL}.pth" for request in site.requests)


def test_a_cache_can_be_used_as_a_mirror_and_with_from(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site.files[f"/{ZOO_MODEL}.pth"] = File(body=BODY)
    site.files[f"/{ZOO_MODEL}.md5"] = File(body=MD5.encode())
    assert run("zoo", "download", ZOO_MODEL, "--mirror", site.url)[0] == 0
    first = Path(os.environ["BDDSEG_HOME"])
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path / "second"))
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    assert run("zoo", "download", ZOO_MODEL, "--from", first)[0] == 0
    receipt = get_receipt(tmp_path / "second/drivable/models" / f"{ZOO_MODEL}.pth")
    assert receipt.source == str(first / "drivable/models" / f"{ZOO_MODEL}.pth")
    assert receipt.checked_against == str(first / "drivable/models" / f"{ZOO_MODEL}.md5")


def test_a_local_file_is_verified_and_not_changed(tmp_path: Path, run: Run) -> None:
    model = write_toml(tmp_path, f'urls = ["http://127.0.0.1:9/net.pth"]\nmd5 = "{MD5}"')
    (tmp_path / "good.pth").write_bytes(BODY)
    (tmp_path / "bad.pth").write_bytes(OTHER)
    result = run("zoo", "download", model, "--from", tmp_path / "bad.pth")
    assert_refused(model, result, str(tmp_path / "bad.pth"), f"expected {MD5}", "127.0.0.1:9")
    assert (tmp_path / "bad.pth").read_bytes() == OTHER
    assert run("zoo", "download", model, "--from", tmp_path / "good.pth")[0] == 0
    assert_downloaded(model)
    assert (tmp_path / "good.pth").exists()


def test_when_the_zoo_is_down_the_alternatives_are_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    code, out, err = run("zoo", "download", ZOO_MODEL, "--mirror", site.url)
    assert (code, out) == (1, "")
    message, hint = err.splitlines()
    assert f"{site.url}/drivable/models/{ZOO_MODEL}.pth: " in message
    assert f"https://dl.cv.ethz.ch/bdd100k/drivable/models/{ZOO_MODEL}.pth: " in message
    assert "down since March 2026" in message
    assert "issues/28" in message
    for text in ("--mirror", "--from", "twinlitenet"):
        assert text in hint
