"""`bddseg report`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import Run

from bddseg.demo import GROUND_TRUTH, IMAGES


@pytest.mark.parametrize("name", ["report.html", "report"])
def test_the_page_and_its_size_are_reported(run: Run, tmp_path: Path, name: str) -> None:
    arguments = ("-r", GROUND_TRUTH, "-i", IMAGES, "--width", 320, "-o", tmp_path / name)
    code, out, _ = run("report", *arguments, "--json")
    assert code == 0
    content = json.loads(out)
    page = Path(content["page"])
    assert page == tmp_path / ("report.html" if name == "report.html" else "report/index.html")
    files = [page] if name == "report.html" else [*page.parent.rglob("*.*")]
    assert (content["frames"], content["with_images"]) == (8, 8)
    assert content["files"] == len([path for path in files if path.is_file()])
    assert content["bytes"] == sum(path.stat().st_size for path in files if path.is_file())
    code, out, err = run("report", *arguments)
    assert code == 1
    assert "exists already" in err
    code, out, _ = run("report", *arguments, "--overwrite")
    assert out.startswith(f"{page}: 8 frames, 8 with images; ")


def test_scores_are_those_of_eval(run: Run, tmp_path: Path) -> None:
    truth = ("-g", GROUND_TRUTH, "-r", GROUND_TRUTH)
    assert run("report", *truth, "--metric", "boundary", "-o", tmp_path / "a.html")[0] == 0
    text = (tmp_path / "a.html").read_text()
    assert "boundary mIoU without background" in text
    assert text.count("100.00") >= 5


@pytest.mark.parametrize(
    ("option", "needed"),
    [(("--by", "weather"), "--attributes"), (("--metric", "boundary"), "--ground-truth")],
)
def test_options_that_need_another_one_say_so(
    run: Run, tmp_path: Path, option: tuple[str, str], needed: str
) -> None:
    code, _, err = run("report", "-r", GROUND_TRUTH, "-o", tmp_path / "a.html", *option)
    assert code == 2
    assert f"{option[0]} needs {needed}" in err


def test_a_report_needs_no_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from bddseg.report.write import write_report; "
        f"write_report([{str(GROUND_TRUTH)!r}], {str(tmp_path / 'a.html')!r}); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
