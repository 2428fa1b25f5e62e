"""`bddseg zoo download`: kinds of files, several files, and failures."""

import json
import threading
from collections import deque
from pathlib import Path

import pytest
from support import Run
from zoo.downloads import (
    BODY,
    MD5,
    PATH,
    ZOO_MODEL,
    get_cached,
    write_toml,
)
from zoo.site import Fault, File, Site


def test_other_published_files_can_be_downloaded(site: Site, run: Run) -> None:
    for kind in ("scores-val", "scores-test"):
        site.files[f"/drivable/{kind}/{ZOO_MODEL}.json"] = File(body=b'{"mIoU": 83.37}')
    arguments = ("zoo", "download", ZOO_MODEL, "--kind", "scores", "--mirror", site.url)
    code, out, _ = run(*arguments, "--allow-unverified", "--json")
    assert code == 0
    files = json.loads(out)
    assert [Path(file["path"]).parent.name for file in files] == ["scores-val", "scores-test"]
    assert [Path(file["path"]).read_bytes() for file in files] == [b'{"mIoU": 83.37}'] * 2
    assert [file["kind"] for file in files] == ["scores", "scores"]


def test_several_files_are_downloaded_at_a_time(site: Site, run: Run) -> None:
    names = [
        ZOO_MODEL,
        ZOO_MODEL.replace("40k", "80k"),
        ZOO_MODEL.replace("r50-d8_512x1024_40k", "r101-d8_512x1024_80k"),
    ]
    barrier = threading.Barrier(len(names))
    for name in names:
        site.files[f"/{name}.pth"] = File(body=BODY, barrier=barrier)
        site.files[f"/{name}.md5"] = File(body=MD5.encode())
    code, out, _ = run("zoo", "download", *names, "--mirror", site.url)
    assert code == 0
    assert not barrier.broken
    assert [line.partition(" (")[0].split("/")[-1] for line in out.splitlines()] == [
        f"{name}.pth" for name in names
    ]


def test_one_failure_does_not_stop_the_others(
    model: Path, site: Site, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    bad = write_toml(tmp_path / "b", f'urls = ["{site.url}/missing.pth"]')
    code, out, err = run("zoo", "download", bad, model, "--json")
    assert code == 1
    first, second = json.loads(out)
    assert "404" in first["error"]
    assert second["path"] == str(get_cached(model))
    assert "404" in err


def test_a_local_file_is_refused_for_two_models(
    cached: list[Path], models: tuple[str, ...], run: Run
) -> None:
    assert run("zoo", "download", *models[:2], "--from", cached[0])[0] == 2


def test_verbose_shows_what_is_downloaded_and_quiet_shows_no_notes(
    model: Path, site: Site, run: Run
) -> None:
    site.files[PATH].faults = deque([Fault(status=503, headers={"Retry-After": "1"})])
    code, out, err = run("zoo", "download", model, "-q")
    assert (code, err) == (0, "")
    assert str(get_cached(model)) in out
    site.files[PATH].faults = deque([Fault(status=503, headers={"Retry-After": "1"})])
    err = run("zoo", "download", model, "--force", "-v")[2]
    assert f"Downloading {site.url}{PATH}" in err
    assert "trying again in 1 s" in err
