"""Downloads by the command, as users run it: checked, locked and recorded."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from dataclasses import replace
from pathlib import Path, PurePosixPath
from shlex import quote

import pytest
from support import Run
from zoo.downloads import (
    BODY,
    COMMAND,
    MD5,
    MD5_PATH,
    PATH,
    ZOO_MODEL,
    assert_downloaded,
    assert_refused,
    get_cached,
    get_part,
    get_receipt,
    wait_until,
    write_toml,
)
from zoo.site import Fault, File, Site

from bddseg.errors import BddsegError
from bddseg.zoo.assets import get_weights_asset
from bddseg.zoo.cache import get_cached_path
from bddseg.zoo.catalog import find_entry, read_entry


def test_a_download_is_checked_and_recorded(model: Path, site: Site, run: Run) -> None:
    code, out, _ = run("zoo", "download", model)
    checksum = f"MD5 {MD5}, checksum as published ({site.url}{MD5_PATH})"
    assert (code, out) == (0, f"{get_cached(model)} (3.0 MB, {checksum})\n")
    assert_downloaded(model)
    receipt = get_receipt(get_cached(model))
    assert receipt.source == site.url + PATH
    assert receipt.checked_against == site.url + MD5_PATH


def test_a_cached_file_is_not_downloaded_again(model: Path, site: Site, run: Run) -> None:
    run("zoo", "download", model)
    count = len(site.requests)
    assert run("zoo", "download", model)[0] == 0
    assert len(site.requests) == count
    assert run("zoo", "download", model, "--force")[0] == 0
    assert len(site.requests) > count


def test_a_corrupt_body_is_refused_and_deleted(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].body = BODY[:-1] + b"x"
    wrong = hashlib.md5(site.files[PATH].body).hexdigest()
    assert_refused(model, run("zoo", "download", model), f"MD5 is {wrong}", f"expected {MD5}")
    assert not get_part(model).exists()


def test_a_truncated_body_is_refused(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].faults = deque([Fault(claim=1_000_000)])
    assert_refused(model, run("zoo", "download", model), f"expected {MD5}")


def test_a_missing_checksum_is_refused_unless_allowed(model: Path, site: Site, run: Run) -> None:
    del site.files[MD5_PATH]
    result = run("zoo", "download", model)
    assert_refused(model, result, "no checksum is published")
    assert "bddseg zoo download MODEL.toml --allow-unverified" in result[2]
    assert site.count_sent(PATH) == 0
    code, out, _ = run("zoo", "download", model, "--allow-unverified")
    assert code == 0
    assert f"MD5 {MD5}, unverified" in out
    assert_downloaded(model)
    assert get_receipt(get_cached(model)).checked_against == ""


@pytest.mark.parametrize(
    "text",
    [
        MD5,
        MD5.upper() + "\r\n",
        f"{MD5}  net.pth\n",
        f"{MD5} *net.pth\n",
        f"MD5 (net.pth) = {MD5}\n",
        f"{'0' * 32}  other.pth\n{MD5}  net.pth\n",
    ],
)
def test_checksum_files_have_several_formats(model: Path, site: Site, run: Run, text: str) -> None:
    site.files[MD5_PATH].body = text.encode()
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)


def test_a_page_without_a_checksum_is_ignored(model: Path, site: Site, run: Run) -> None:
    site.files[MD5_PATH].body = b"<html><body>Welcome</body></html>"
    assert_refused(model, run("zoo", "download", model), "no checksum is published")


def test_an_entry_can_have_several_urls_and_a_sha256(site: Site, tmp_path: Path, run: Run) -> None:
    site.files["/two.pth"] = File(body=BODY)
    digest = hashlib.sha256(BODY).hexdigest()
    urls = f'urls = ["{site.url}/one.pth", "{site.url}/two.pth"]'
    model = write_toml(tmp_path, f'{urls}\nsha256 = "{digest}"')
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)


def test_an_entry_can_have_the_checksum_that_git_has(site: Site, tmp_path: Path, run: Run) -> None:
    site.files[PATH] = File(body=BODY)
    right = hashlib.sha1(b"blob %d\0" % len(BODY) + BODY).hexdigest()
    model = write_toml(tmp_path, f'urls = ["{site.url}{PATH}"]\ngit_sha1 = "{right}"')
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)
    wrong = write_toml(tmp_path, f'urls = ["{site.url}{PATH}"]\ngit_sha1 = "{"0" * 40}"')
    assert_refused(wrong, run("zoo", "download", wrong), f"its SHA-1 in git is {right}")


def test_the_same_name_with_other_urls_is_another_file(
    site: Site, tmp_path: Path, run: Run
) -> None:
    site.files["/mine.pth"] = File(body=BODY)
    toml = run("zoo", "show", ZOO_MODEL, "--toml")[1]
    old = f"https://dl.cv.ethz.ch/bdd100k/drivable/models/{ZOO_MODEL}.pth"
    path = tmp_path / "copy.toml"
    path.write_text(toml.replace(old, f"{site.url}/mine.pth"))
    asset = get_weights_asset(read_entry(path))
    assert asset.path != get_weights_asset(find_entry(ZOO_MODEL)).path
    assert not asset.in_catalog
    path.write_text(toml)
    assert get_weights_asset(read_entry(path)) == get_weights_asset(find_entry(ZOO_MODEL))


def test_names_with_parent_folders_are_refused(tmp_path: Path, site: Site, run: Run) -> None:
    model = write_toml(tmp_path, f'urls = ["{site.url}/x.pth"]')
    for key, value in (("name", "../../evil"), ("name", "/etc/evil"), ("task", "../../evil")):
        old = {"name": '"mine"', "task": '"drivable"'}[key]
        text = write_toml(tmp_path, f'urls = ["{site.url}/x.pth"]').read_text()
        model.write_text(text.replace(f"{key} = {old}", f'{key} = "{value}"'))
        code, _, err = run("zoo", "download", model)
        assert code == 1
        assert f"`{key}`" in err
    assert not site.requests


def test_the_file_name_in_a_header_is_ignored(model: Path, site: Site, run: Run) -> None:
    evil = 'attachment; filename="../../evil.pth"'
    site.files[PATH].headers = {"Content-Disposition": evil}
    assert run("zoo", "download", model)[0] == 0
    assert_downloaded(model)
    home = Path(os.environ["BDDSEG_HOME"])
    assert not list(home.parent.rglob("evil*"))


def test_an_asset_outside_the_cache_is_refused() -> None:
    asset = get_weights_asset(find_entry(ZOO_MODEL))
    for name in ("../../evil.pth", "/etc/evil.pth"):
        with pytest.raises(BddsegError, match="outside the cache"):
            get_cached_path(replace(asset, path=PurePosixPath(name)))


def test_eight_processes_download_a_file_once(model: Path, site: Site) -> None:
    site.files[PATH].pause_s = 0.002
    processes = [
        subprocess.Popen(
            [*COMMAND, "zoo", "download", str(model)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    assert all(str(get_cached(model)) in output for output in outputs)
    assert site.count_sent(PATH) == len(BODY)
    assert_downloaded(model)


def test_a_killed_process_holds_no_lock(model: Path, site: Site, run: Run) -> None:
    site.files[PATH].pause_s = 0.05
    process = subprocess.Popen([*COMMAND, "zoo", "download", str(model)])
    wait_until(lambda: get_part(model).exists())
    process.kill()
    process.wait()
    site.files[PATH].pause_s = 0.0
    start = time.monotonic()
    code, _, err = run("zoo", "download", model)
    assert code == 0
    assert "waiting" not in err
    assert time.monotonic() - start < 10


def _can_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    script = "mount -t tmpfs none /mnt"
    return (
        subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not _can_mount(), reason="this machine does not let users mount a tmpfs")
@pytest.mark.parametrize("sends_length", [True, False])
def test_a_full_disk_is_an_error_and_nothing_is_left_on_it(
    model: Path, site: Site, tmp_path: Path, sends_length: bool
) -> None:
    site.files[PATH].sends_length = sends_length
    home = tmp_path / "small"
    home.mkdir()
    small, entry = quote(str(home)), quote(str(model))
    script = (
        f"mount -t tmpfs -o size=1m none {small}; {sys.executable} -m bddseg zoo download {entry}; "
        f"echo code $?; find {small} -type f"
    )
    environment = os.environ | {"BDDSEG_HOME": str(home)}
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, env=environment
    )
    assert "code 1" in result.stdout
    assert "Traceback" not in result.stderr
    message = "MB free, and 3 MB are needed" if sends_length else "No space left on device"
    assert message in result.stderr
    names = {Path(line).name for line in result.stdout.splitlines()[1:]}
    # Nothing fills the disk that cannot become a file.
    assert names <= {f".{get_cached(model).name}.lock", f"{get_part(model).name}.json"}


OFFLINE = """
import sys
def forbid(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        print("opened a socket:", event, file=sys.stderr)
        raise SystemExit(9)
sys.addaudithook(forbid)
from bddseg.cli.app import app
app(sys.argv[1:])
"""


def run_without_sockets(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"BDDSEG_OFFLINE": "1"}
    command = [sys.executable, "-c", OFFLINE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_cached_model_runs_offline_without_a_socket(
    tiny: Path, frames: Path, site: Site, tmp_path: Path, run: Run
) -> None:
    weights = (tiny.parent / "tiny.pth").read_bytes()
    site.files[PATH] = File(body=weights)
    source = f'urls = ["{site.url}{PATH}"]\nmd5 = "{hashlib.md5(weights).hexdigest()}"'
    tiny.write_text(tiny.read_text().replace('file = "tiny.pth"', source))
    refused = run_without_sockets("infer", tiny, frames, "-o", tmp_path / "out")
    assert refused.returncode == 1
    assert "BDDSEG_OFFLINE forbids the network" in refused.stderr
    assert run("zoo", "download", tiny)[0] == 0
    result = run_without_sockets("infer", tiny, frames, "-o", tmp_path / "out", "--device", "cpu")
    assert (result.returncode, result.stdout[:12]) == (0, "5 of 5 frame"), result.stderr


def test_infer_downloads_the_weights(
    tiny: Path, frames: Path, site: Site, tmp_path: Path, run: Run
) -> None:
    weights = (tiny.parent / "tiny.pth").read_bytes()
    site.files[PATH] = File(body=weights, faults=deque([Fault(cut_after=20_000)]))
    site.files[MD5_PATH] = File(body=hashlib.md5(weights).hexdigest().encode())
    tiny.write_text(tiny.read_text().replace('file = "tiny.pth"', f'urls = ["{site.url}{PATH}"]'))
    assert run("infer", tiny, frames, "-o", tmp_path / "out", "--device", "cpu")[0] == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["weights"]["path"] == str(get_cached(tiny))
