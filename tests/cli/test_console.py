"""Whatever is printed, no control character reaches the terminal."""

import json
import os
import pty
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from rich.table import Table
from support import Run
from zoo.downloads import MD5, write_toml
from zoo.raw import open_raw_server

from bddseg.cli.console import (
    set_verbose,
    show,
    show_error,
    show_json,
    show_note,
    show_warning,
)
from bddseg.errors import BddsegError, BddsegWarning

EVIL = "a\x1b[2J\x1b]0;title\x07\x9b31m\r\x7f\u202eb\udcff\x00"
SHOWN = r"a\x1b[2J\x1b]0;title\x07\x9b31m\r\x7f\u202eb\udcff\x00"


def assert_harmless(*texts: str) -> None:
    for text in texts:
        found = {each for each in text if unicodedata.category(each) in ("Cc", "Cf", "Cs")}
        assert found <= {"\n", "\t"}


def test_text_is_escaped_on_both_streams(capfd: pytest.CaptureFixture[str]) -> None:
    set_verbose(True)
    table = Table("heading")
    table.add_row(EVIL)
    show(EVIL)
    show(table)
    show_note(EVIL)
    show_error(BddsegError(EVIL, EVIL))
    show_warning(EVIL, BddsegWarning, EVIL, 1)
    show_warning(EVIL, UserWarning, EVIL, 1)
    out, err = capfd.readouterr()
    assert_harmless(out, err)
    assert out.count(SHOWN) == 1
    assert err.count(SHOWN) >= 5


def test_json_is_escaped_and_means_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    show_json({EVIL: [EVIL, "straße 街 \U0001f697"]})
    out = capfd.readouterr()[0]
    assert_harmless(out)
    assert "straße 街 \U0001f697" in out
    assert json.loads(out) == {EVIL: [EVIL, "straße 街 \U0001f697"]}


def test_names_that_look_like_markup_or_emoji_are_printed_as_they_are(
    capfd: pytest.CaptureFixture[str],
) -> None:
    show("[red]a:cat:b.png[/red]")
    assert capfd.readouterr()[0] == "[red]a:cat:b.png[/red]\n"


def test_the_answer_of_a_server_is_escaped(tmp_path: Path, run: Run) -> None:
    answer = b"HTTP/1.1 404 \x1b]0;x\x07\x9bm\r\nContent-Length: 0\r\n\r\n"
    with open_raw_server(lambda send: send(answer)) as url:
        model = write_toml(tmp_path, f'urls = ["{url}/net.pth"]\nmd5 = "{MD5}"')
        code, out, err = run("zoo", "download", model, "-v")
    assert code == 1
    assert r"404 \x1b]0;x\x07\x9bm" in err
    assert_harmless(out, err)


def test_metadata_arguments_and_names_of_files_are_escaped(
    tmp_path: Path, run: Run, frames: Path
) -> None:
    model = write_toml(tmp_path, "")
    model.write_text(model.read_text().replace('"Mine"', r'"Mine\u001b[31m\u009b"'))
    for options in ((), ("--json",), ("--toml",)):
        _, out, err = run("zoo", "show", model, *options)
        assert "31m" in out
        assert_harmless(out, err)
    assert_harmless(*run("zoo", "show", "no\x1b[31m")[1:])
    assert_harmless(*run("zoo", "list", "--task", "no\x1b[31m")[1:])
    assert_harmless(*run("no\x1b[31m")[1:])
    (frames / "bad\x1b[31m.jpg").write_bytes(b"no image")
    code, out, err = run("infer", "demo", frames, "-o", tmp_path / "o\x1b[31m")
    assert (code, "bad" in err) == (1, True)
    assert_harmless(out, err)


def test_on_a_terminal_only_our_own_sequences_are_written() -> None:
    code = (
        "from bddseg.cli.progress import show_progress_group\n"
        f"name = {EVIL!r}\n"
        "with show_progress_group() as group:\n"
        "    group.note(name)\n"
        "    progress = group.start(name, unit=name)\n"
        "    progress.update(done=1, total=3)\n"
        "    progress.note(name)\n"
    )
    main, terminal = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "200"}
    command = [sys.executable, "-c", code]
    subprocess.run(command, check=True, stderr=terminal, env=environment)
    os.close(terminal)
    written = b""
    while True:
        try:
            written += os.read(main, 1 << 16)
        except OSError:
            break
    os.close(main)
    text = written.decode()
    assert r"a\x1b[2J\x1b]0;title" in text
    # Styles, moving the cursor, and hiding it.
    rest = re.sub(r"\x1b\[[0-9;?]*[mKAGlh]|\r", "", text)
    assert_harmless(rest)
