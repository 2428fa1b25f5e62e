"""Downloads from a real server that misbehaves, by the command as users run it."""

import hashlib
import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from zoo.site import Fault, File, Site

from bddseg.errors import BddsegError
from bddseg.zoo.assets import get_weights_asset
from bddseg.zoo.cache import get_cached_path, read_receipt
from bddseg.zoo.catalog import find_entry
from bddseg.zoo.entry import read_entry

BODY = random.Random(0).randbytes(3_000_000)
OTHER = random.Random(1).randbytes(3_000_000)
MD5 = hashlib.md5(BODY).hexdigest()
PATH, MD5_PATH = "/nets/net.pth", "/nets/net.md5"
COMMAND = [sys.executable, "-m", "bddseg"]


@pytest.fixture
def site():
    site = Site()
    yield site
    site.close()


@pytest.fixture
def model(site, tmp_path) -> Path:
    """The TOML of a model whose weights the site publishes, MD5 beside them."""
    site.files[PATH] = File(body=BODY)
    site.files[MD5_PATH] = File(body=MD5.encode())
    return write_toml(tmp_path, f'urls = ["{site.url}{PATH}"]')


def write_toml(folder: Path, weights: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(f"""
name = "mine"
title = "Mine"
task = "drivable"
architecture = "pspnet"
preprocessing = {{size_hw = [4, 4], mean_rgb = [0.0, 0.0, 0.0], std_rgb = [1.0, 1.0, 1.0]}}
[weights]
{weights}
""")
    return path


def cached(model: Path) -> Path:
    return get_cached_path(get_weights_asset(read_entry(model)))


def part(model: Path) -> Path:
    path = cached(model)
    return path.with_name(f".{path.name}.part")


def assert_right(model: Path) -> None:
    assert cached(model).read_bytes() == BODY
    assert not part(model).exists()
    receipt = read_receipt(cached(model))
    assert (receipt.md5, receipt.sha256) == (MD5, hashlib.sha256(BODY).hexdigest())
    assert receipt.size_bytes == len(BODY)
    assert datetime.fromisoformat(receipt.date) > datetime.now(UTC) - timedelta(minutes=5)


def assert_refused(model: Path, result, *words: str) -> None:
    """Exit code 1, one paragraph and its hint, no traceback, no file under the real name."""
    code, out, err = result
    assert code == 1
    assert out == ""
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if "trying again" not in line]
    assert len(lines) == 2
    for word in words:
        assert word in lines[0]
    assert not cached(model).exists()
    assert read_receipt(cached(model)) is None


def test_a_download_is_checked_and_recorded(model, site, run):
    code, out, _ = run("zoo", "download", model)
    assert (code, out) == (0, f"{cached(model)} (3.0 MB, MD5 {MD5} as published)\n")
    assert_right(model)
    receipt = read_receipt(cached(model))
    assert receipt.source == site.url + PATH
    assert receipt.checked_against == site.url + MD5_PATH


def test_what_is_cached_is_not_fetched_again(model, site, run):
    run("zoo", "download", model)
    hits = len(site.hits)
    assert run("zoo", "download", model)[0] == 0
    assert len(site.hits) == hits
    assert run("zoo", "download", model, "--force")[0] == 0
    assert len(site.hits) > hits


def test_resumes_after_a_cut(model, site, run):
    site.files[PATH].faults = deque([Fault(cut_after=1_000_000), Fault(cut_after=900_000)])
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)
    assert site.count_sent(PATH) < 1.2 * len(BODY)
    ranges = [hit.headers.get("Range") for hit in site.hits if hit.path == PATH]
    assert len(ranges) == 3
    assert ranges[0] is None


def test_many_cuts_are_put_up_with_as_long_as_there_is_progress(model, site, run):
    site.files[PATH].faults = deque([Fault(cut_after=400_000)] * 7)
    assert run("zoo", "download", model, "--retries", 1)[0] == 0
    assert_right(model)


def test_gives_up_when_there_is_no_progress(model, site, run):
    site.files[PATH].faults = deque([Fault(cut_after=0)] * 9)
    result = run("zoo", "download", model, "--retries", 1)
    assert_refused(model, result, "2 times in a row", site.url + PATH)


def test_a_killed_download_is_resumed_by_the_next_command(model, site, run):
    site.files[PATH].pause_s = 0.01
    process = subprocess.Popen([*COMMAND, "zoo", "download", str(model)])
    wait_until(lambda: part(model).exists() and part(model).stat().st_size > 1_000_000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not cached(model).exists()
    arrived = part(model).stat().st_size
    site.files[PATH].pause_s = 0.0
    site.hits.clear()
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)
    assert site.count_sent(PATH) == len(BODY) - arrived


def test_ctrl_c_ends_a_download_at_once_and_keeps_what_came(model, site, run):
    site.files[PATH].pause_s = 0.1
    # Background jobs of a shell ignore SIGINT, and so would what they start.
    process = subprocess.Popen(
        [*COMMAND, "zoo", "download", str(model)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_until(lambda: part(model).exists() and part(model).stat().st_size > 0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert 0 < part(model).stat().st_size < len(BODY)


def test_a_server_without_ranges_starts_over(model, site, run):
    site.files[PATH].ranges = False
    site.files[PATH].faults = deque([Fault(cut_after=1_000_000)])
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changed_meanwhile_starts_over(model, site, run, heeds_if_range):
    site.files[PATH] = File(body=OTHER, faults=deque([Fault(cut_after=1_000_000)]))
    assert run("zoo", "download", model, "--retries", 0)[0] == 1
    assert 900_000 < part(model).stat().st_size <= 1_000_000
    site.files[PATH] = File(body=BODY, etag='"two"', heeds_if_range=heeds_if_range, pause_s=0.002)
    site.hits.clear()
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)
    # The tail of the new file was not taken for that of the old one.
    assert site.count_sent(PATH) < 1.3 * len(BODY)


def test_a_part_of_unknown_version_that_does_not_fit_is_fetched_anew(model, site, run):
    site.files[PATH] = File(body=OTHER, etag=None, faults=deque([Fault(cut_after=1_000_000)]))
    assert run("zoo", "download", model, "--retries", 0)[0] == 1
    site.files[PATH] = File(body=BODY, etag=None)
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)


def test_a_file_that_shrank_below_the_part_starts_over(model, site, run):
    site.files[PATH] = File(body=OTHER + OTHER, faults=deque([Fault(cut_after=4_000_000)]))
    assert run("zoo", "download", model, "--retries", 0)[0] == 1
    site.files[PATH] = File(body=BODY)
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)


def test_a_corrupt_body_is_refused_and_deleted(model, site, run):
    site.files[PATH].body = BODY[:-1] + b"x"
    wrong = hashlib.md5(site.files[PATH].body).hexdigest()
    assert_refused(model, run("zoo", "download", model), f"MD5 is {wrong}", f"{MD5} was expected")
    assert not part(model).exists()


def test_a_body_cut_to_a_wrong_length_is_refused(model, site, run):
    site.files[PATH].faults = deque([Fault(claim=1_000_000)])
    assert_refused(model, run("zoo", "download", model), f"{MD5} was expected")


def test_a_body_of_unannounced_length_is_taken(model, site, run):
    site.files[PATH].announces_length = False
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)


def test_a_missing_checksum_is_refused_unless_allowed(model, site, run):
    del site.files[MD5_PATH]
    result = run("zoo", "download", model)
    assert_refused(model, result, "no checksum is published", "--allow-unverified")
    assert site.count_sent(PATH) == 0
    code, out, _ = run("zoo", "download", model, "--allow-unverified")
    assert code == 0
    assert f"unverified, MD5 {MD5}" in out
    assert_right(model)
    assert read_receipt(cached(model)).checked_against == ""


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
def test_checksum_files_come_in_several_forms(model, site, run, text):
    site.files[MD5_PATH].body = text.encode()
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)


def test_a_page_that_is_no_checksum_counts_as_none(model, site, run):
    site.files[MD5_PATH].body = b"<html><body>Welcome</body></html>"
    assert_refused(model, run("zoo", "download", model), "no checksum is published")


def test_not_found_is_said_plainly_and_not_retried(model, site, run):
    site.files.clear()
    assert_refused(model, run("zoo", "download", model), f"{site.url}{PATH}: 404 Not Found.")
    assert len(site.hits) == 3  # net.md5, net.pth.md5, net.pth


@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_an_overloaded_server_is_given_the_time_it_asks_for(model, site, run, kind):
    after = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    value = "2" if kind == "seconds" else after
    site.files[PATH].faults = deque([Fault(status=503, headers={"Retry-After": value})])
    start = time.monotonic()
    code, _, err = run("zoo", "download", model)
    assert code == 0
    assert_right(model)
    assert time.monotonic() - start >= (2 if kind == "seconds" else 0.9)
    assert "503 Service Unavailable; trying again in" in err


def test_a_server_that_asks_for_an_hour_is_given_up(model, site, run):
    site.files[PATH].faults = deque([Fault(status=503, headers={"Retry-After": "3600"})])
    assert_refused(model, run("zoo", "download", model), "503", "3,600 s")


def test_errors_that_pass_are_retried(model, site, run):
    site.files[PATH].faults = deque([Fault(status=500), Fault(status=429), Fault(cut_after=0)])
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)


def test_a_stalled_server_is_left_and_resumed(model, site, run):
    site.files[PATH].faults = deque([Fault(cut_after=1_000_000, stall_s=20.0)])
    start = time.monotonic()
    assert run("zoo", "download", model, "--timeout", 1)[0] == 0
    assert time.monotonic() - start < 15
    assert_right(model)
    assert site.count_sent(PATH) < 1.2 * len(BODY)


def test_a_server_that_only_stalls_is_given_up(model, site, run):
    site.files[PATH].faults = deque([Fault(cut_after=0, stall_s=20.0)] * 3)
    result = run("zoo", "download", model, "--timeout", 0.3, "--retries", 1)
    assert_refused(model, result, "2 times in a row")


def test_no_server_at_all(tmp_path, run):
    site = Site()
    site.close()
    model = write_toml(tmp_path, f'urls = ["{site.url}/net.pth"]')
    result = run("zoo", "download", model)
    assert_refused(model, result, f"{site.url}/net.pth: no connection (Connection refused).")


def test_eight_processes_download_once(model, site):
    site.files[PATH].pause_s = 0.002
    processes = [
        subprocess.Popen(
            [*COMMAND, "zoo", "download", str(model)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    assert all(str(cached(model)) in output for output in outputs)
    assert site.count_sent(PATH) == len(BODY)
    assert_right(model)


def test_a_killed_process_leaves_no_lock(model, site, run):
    site.files[PATH].pause_s = 0.05
    process = subprocess.Popen([*COMMAND, "zoo", "download", str(model)])
    wait_until(lambda: part(model).exists())
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
@pytest.mark.parametrize("announced", [True, False])
def test_a_full_disk_is_said_and_leaves_what_can_be_resumed(model, site, tmp_path, announced):
    site.files[PATH].announces_length = announced
    home = tmp_path / "small"
    home.mkdir()
    script = (
        f"mount -t tmpfs -o size=1m none {home}; {sys.executable} -m bddseg zoo download {model}; "
        f"echo code $?; find {home} -type f"
    )
    environment = os.environ | {"BDDSEG_HOME": str(home)}
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, env=environment
    )
    assert "code 1" in result.stdout
    assert "Traceback" not in result.stderr
    said = "MB free, and 3 MB are needed" if announced else "No space left on device"
    assert said in result.stderr
    names = {Path(line).name for line in result.stdout.splitlines()[1:]}
    kept = set() if announced else {part(model).name, part(model).name + ".json"}
    lock = f".{cached(model).name}.lock"
    assert names <= kept | {lock, f"{part(model).name}.json"}
    assert kept <= names


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


def run_without_sockets(*arguments: object) -> subprocess.CompletedProcess:
    environment = os.environ | {"BDDSEG_OFFLINE": "1"}
    command = [sys.executable, "-c", OFFLINE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_offline_a_cached_model_works_without_any_socket(tiny, frames, site, tmp_path, run):
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


def test_infer_fetches_what_it_needs(tiny, frames, site, tmp_path, run):
    weights = (tiny.parent / "tiny.pth").read_bytes()
    site.files[PATH] = File(body=weights, faults=deque([Fault(cut_after=20_000)]))
    site.files[MD5_PATH] = File(body=hashlib.md5(weights).hexdigest().encode())
    tiny.write_text(tiny.read_text().replace('file = "tiny.pth"', f'urls = ["{site.url}{PATH}"]'))
    assert run("infer", tiny, frames, "-o", tmp_path / "out", "--device", "cpu")[0] == 0
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["weights"]["path"] == str(cached(tiny))


ZOO = "pspnet_r50-d8_512x1024_40k_drivable_bdd100k"


@pytest.mark.parametrize("folder", ["/drivable/models/", "/"])
def test_a_mirror_is_laid_out_like_the_zoo_or_flat(site, run, folder):
    site.files[f"{folder}{ZOO}.pth"] = File(body=BODY)
    site.files[f"{folder}{ZOO}.md5"] = File(body=f"{MD5}  {ZOO}.pth".encode())
    assert run("zoo", "download", ZOO, "--mirror", site.url + "/")[0] == 0
    path = get_cached_path(get_weights_asset(find_entry(ZOO)))
    assert path.read_bytes() == BODY
    assert path.parts[-3:] == ("drivable", "models", f"{ZOO}.pth")


def test_mirrors_are_tried_in_order(site, run, monkeypatch, tmp_path):
    second = Site()
    second.files[f"/{ZOO}.pth"] = File(body=BODY)
    second.files[f"/{ZOO}.md5"] = File(body=MD5.encode())
    monkeypatch.setenv("BDDSEG_MIRRORS", f"{site.url}/a {second.url}")
    code, out, _ = run("zoo", "download", "--json", "--", ZOO.removesuffix("_drivable_bdd100k"))
    second.close()
    assert code == 0
    (file,) = json.loads(out)
    assert file["source"] == f"{second.url}/{ZOO}.pth"
    assert (file["md5"], file["checked_against"]) == (MD5, f"{second.url}/{ZOO}.md5")
    assert any(hit.path == f"/a/drivable/models/{ZOO}.pth" for hit in site.hits)


def test_a_cache_is_itself_a_mirror_and_a_folder_to_take_from(site, run, monkeypatch, tmp_path):
    site.files[f"/{ZOO}.pth"] = File(body=BODY)
    site.files[f"/{ZOO}.md5"] = File(body=MD5.encode())
    assert run("zoo", "download", ZOO, "--mirror", site.url)[0] == 0
    first = Path(os.environ["BDDSEG_HOME"])
    monkeypatch.setenv("BDDSEG_HOME", str(tmp_path / "second"))
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    assert run("zoo", "download", ZOO, "--from", first)[0] == 0
    receipt = read_receipt(tmp_path / "second/drivable/models" / f"{ZOO}.pth")
    assert receipt.source == str(first / "drivable/models" / f"{ZOO}.pth")
    assert receipt.checked_against == str(first / "drivable/models" / f"{ZOO}.md5")


def test_a_file_on_disk_is_verified_and_left_alone(tmp_path, run):
    model = write_toml(tmp_path, f'urls = ["http://127.0.0.1:9/net.pth"]\nmd5 = "{MD5}"')
    (tmp_path / "good.pth").write_bytes(BODY)
    (tmp_path / "bad.pth").write_bytes(OTHER)
    result = run("zoo", "download", model, "--from", tmp_path / "bad.pth")
    assert_refused(model, result, str(tmp_path / "bad.pth"), f"{MD5} was expected", "127.0.0.1:9")
    assert (tmp_path / "bad.pth").read_bytes() == OTHER
    assert run("zoo", "download", model, "--from", tmp_path / "good.pth")[0] == 0
    assert_right(model)
    assert (tmp_path / "good.pth").exists()


def test_an_entry_can_name_several_addresses_and_a_sha256(site, tmp_path, run):
    site.files["/two.pth"] = File(body=BODY)
    digest = hashlib.sha256(BODY).hexdigest()
    urls = f'urls = ["{site.url}/one.pth", "{site.url}/two.pth"]'
    model = write_toml(tmp_path, f'{urls}\nsha256 = "{digest}"')
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)


def test_when_the_zoo_is_down_the_ways_on_are_shown(run, monkeypatch, site):
    monkeypatch.setenv("BDDSEG_OFFLINE", "1")
    code, out, err = run("zoo", "download", ZOO, "--mirror", site.url)
    assert (code, out) == (1, "")
    message, hint = err.splitlines()
    assert f"{site.url}/drivable/models/{ZOO}.pth: " in message
    assert f"https://dl.cv.ethz.ch/bdd100k/drivable/models/{ZOO}.pth: " in message
    assert "down since March 2026" in message
    assert "issues/28" in message
    for way in ("--mirror", "--from", "twinlitenet"):
        assert way in hint


def test_the_same_name_with_other_weights_is_another_file(site, tmp_path, run):
    site.files["/mine.pth"] = File(body=BODY)
    toml = run("zoo", "show", ZOO, "--toml")[1]
    old = f"https://dl.cv.ethz.ch/bdd100k/drivable/models/{ZOO}.pth"
    path = tmp_path / "copy.toml"
    path.write_text(toml.replace(old, f"{site.url}/mine.pth"))
    asset = get_weights_asset(read_entry(path))
    assert asset.path != get_weights_asset(find_entry(ZOO)).path
    assert not asset.in_catalog
    path.write_text(toml)
    assert get_weights_asset(read_entry(path)) == get_weights_asset(find_entry(ZOO))


def test_other_published_files_are_fetched_in_the_same_way(site, run):
    for kind in ("scores-val", "scores-test"):
        site.files[f"/drivable/{kind}/{ZOO}.json"] = File(body=b'{"mIoU": 83.37}')
    arguments = ("zoo", "download", ZOO, "--what", "scores", "--mirror", site.url)
    code, out, _ = run(*arguments, "--allow-unverified", "--json")
    assert code == 0
    files = json.loads(out)
    assert [Path(file["path"]).parent.name for file in files] == ["scores-val", "scores-test"]
    assert [Path(file["path"]).read_bytes() for file in files] == [b'{"mIoU": 83.37}'] * 2
    assert [file["what"] for file in files] == ["scores", "scores"]


def test_all_fetches_several_files_at_a_time(site, run, monkeypatch):
    names = [
        ZOO,
        ZOO.replace("40k", "80k"),
        ZOO.replace("r50-d8_512x1024_40k", "r101-d8_512x1024_80k"),
    ]
    for name in names:
        site.files[f"/{name}.pth"] = File(body=BODY, pause_s=0.005)
        site.files[f"/{name}.md5"] = File(body=MD5.encode())
    start = time.monotonic()
    code, out, _ = run("zoo", "download", *names, "--mirror", site.url)
    together_s = time.monotonic() - start
    assert code == 0
    assert [line.split(" ")[0].split("/")[-1] for line in out.splitlines()] == [
        f"{n}.pth" for n in names
    ]
    assert together_s < 2.5 * len(BODY) / 16384 * 0.005


def test_one_failure_does_not_stop_the_others(model, site, tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    bad = write_toml(tmp_path / "b", f'urls = ["{site.url}/missing.pth"]')
    code, out, err = run("zoo", "download", bad, model, "--json")
    assert code == 1
    first, second = json.loads(out)
    assert "404" in first["error"]
    assert second["path"] == str(cached(model))
    assert "404" in err


def test_names_cannot_leave_the_cache(tmp_path, site, run):
    model = write_toml(tmp_path, f'urls = ["{site.url}/x.pth"]')
    for key, value in (("name", "../../evil"), ("name", "/etc/evil"), ("task", "../../evil")):
        old = {"name": '"mine"', "task": '"drivable"'}[key]
        text = write_toml(tmp_path, f'urls = ["{site.url}/x.pth"]').read_text()
        model.write_text(text.replace(f"{key} = {old}", f'{key} = "{value}"'))
        code, _, err = run("zoo", "download", model)
        assert code == 1
        assert f"`{key}`" in err
    assert not site.hits


def test_a_server_has_no_say_in_names(model, site, run, tmp_path):
    evil = 'attachment; filename="../../evil.pth"'
    site.files[PATH].headers = {"Content-Disposition": evil}
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)
    home = Path(os.environ["BDDSEG_HOME"])
    assert not list(home.parent.rglob("evil*"))


def test_an_asset_that_would_leave_the_cache_is_refused():
    from dataclasses import replace
    from pathlib import PurePosixPath

    asset = get_weights_asset(find_entry(ZOO))
    for place in ("../../evil.pth", "/etc/evil.pth"):
        with pytest.raises(BddsegError, match="leave the cache"):
            get_cached_path(replace(asset, path=PurePosixPath(place)))


@pytest.fixture
def secure(monkeypatch, tmp_path):
    """A site behind TLS with a certificate that requests trusts."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    site = Site(context)
    yield site
    site.close()


def test_a_redirect_from_https_to_http_is_refused(secure, site, tmp_path, run):
    site.files[PATH] = File(body=BODY)
    target = Fault(status=302, headers={"Location": site.url + PATH})
    secure.files["/net.pth"] = File(body=b"", faults=deque([target]))
    model = write_toml(tmp_path, f'urls = ["{secure.url}/net.pth"]\nmd5 = "{MD5}"')
    assert_refused(model, run("zoo", "download", model), "not encrypted", site.url + PATH)
    assert not site.hits


def test_a_redirect_within_https_is_followed(secure, tmp_path, run):
    secure.files[PATH] = File(body=BODY)
    target = Fault(status=302, headers={"Location": PATH})
    secure.files["/net.pth"] = File(body=b"", faults=deque([target]))
    model = write_toml(tmp_path, f'urls = ["{secure.url}/net.pth"]\nmd5 = "{MD5}"')
    assert run("zoo", "download", model)[0] == 0
    assert_right(model)


def test_an_untrusted_certificate_is_refused(secure, tmp_path, run, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    secure.files[PATH] = File(body=BODY)
    model = write_toml(tmp_path, f'urls = ["{secure.url}{PATH}"]\nmd5 = "{MD5}"')
    assert_refused(model, run("zoo", "download", model), "no trusted connection")


def wait_until(condition, timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
