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
from bddseg.zoo.catalog import find_entry, list_entries


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
    short_name = find_entry(ZOO_MODEL).short_name
    for text in ("--mirror", "--weights FILE", f"download {short_name} --from PATH"):
        assert text in hint
    assert "another model, whose weights are on this machine (swiftnet_lite)" in hint


def test_a_model_whose_weights_can_be_downloaded_is_suggested_where_none_is_here(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    entries = [entry for entry in list_entries() if entry.name != "swiftnet_lite"]
    monkeypatch.setattr("bddseg.zoo.failure.list_entries", lambda: entries)
    err = run("zoo", "download", ZOO_MODEL)[2]
    assert "another model, whose weights are online (espnetv2_1024x512)" in err


def test_a_local_file_without_a_checksum_can_be_used_in_three_ways(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    file, short_name = tmp_path / f"{ZOO_MODEL}.pth", find_entry(ZOO_MODEL).short_name
    file.write_bytes(BODY)
    code, out, err = run("zoo", "download", short_name, "--from", tmp_path)
    message, hint = err.splitlines()
    assert (code, out) == (1, "")
    published = f"https://dl.cv.ethz.ch/bdd100k/drivable/models/{ZOO_MODEL}.md5"
    reason = "cannot be read (BDDSEG_OFFLINE forbids the network)"
    assert (
        f"{file} was not copied to the cache: its published MD5, {published}, {reason}" in message
    )
    assert f"bddseg infer {short_name} FRAMES --weights {file}; or put" in hint
    assert f"beside it, as {ZOO_MODEL}.md5" in hint
    assert f"bddseg zoo download {short_name} --from {file} --allow-unverified" in hint
    file.with_suffix(".md5").write_text("no checksum")
    assert reason in run("zoo", "download", short_name, "--from", tmp_path)[2]


def test_a_checksum_of_the_users_own_is_not_called_published(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    (tmp_path / f"{ZOO_MODEL}.pth").write_bytes(BODY)
    beside = tmp_path / f"{ZOO_MODEL}.md5"
    beside.write_text(MD5)
    expected = f"MD5 {MD5}, checksum matches {beside}, which did not come from the publisher"
    code, out, _ = run("zoo", "download", ZOO_MODEL, "--from", tmp_path)
    assert (code, expected in out) == (0, True), out
    assert f"{expected}." in run("zoo", "verify")[1]
    receipt = get_cached_path(get_weights_asset(find_entry(ZOO_MODEL)))
    assert get_receipt(receipt).is_published is False


def test_a_checksum_of_a_mirror_is_not_called_published(site: Site, run: Run) -> None:
    site.files[f"/{ZOO_MODEL}.pth"] = File(body=BODY)
    site.files[f"/{ZOO_MODEL}.md5"] = File(body=MD5.encode())
    out = run("zoo", "download", ZOO_MODEL, "--mirror", site.url)[1]
    assert f"matches {site.url}/{ZOO_MODEL}.md5, which did not come from the publisher" in out


def test_the_checksum_of_an_own_entry_is_not_called_published(tmp_path: Path, run: Run) -> None:
    model = write_toml(tmp_path, f'urls = ["http://127.0.0.1:9/net.pth"]\nmd5 = "{MD5}"')
    (tmp_path / "net.pth").write_bytes(BODY)
    out = run("zoo", "download", model, "--from", tmp_path / "net.pth")[1]
    assert f"MD5 {MD5}, checksum matches the entry of mine)" in out
