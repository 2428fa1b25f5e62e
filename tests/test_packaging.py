"""What is in the archives that are installed, and that they run without the repository."""

import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from bddseg.demo import GROUND_TRUTH, IMAGES

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
LIMIT_BYTES = 4_000_000


def build(project: Path, out: Path) -> Path:
    """Return the wheel; the source archive is beside it."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=240)
    (wheel,) = out.glob("*.whl")
    return wheel


def list_wheel(wheel: Path) -> set[str]:
    """Return the names of the files in a wheel, without its version."""
    with zipfile.ZipFile(wheel) as archive:
        return {re.sub(r"-[\d.]+\.dist-info/", ".dist-info/", name) for name in archive.namelist()}


def list_archive(folder: Path) -> set[str]:
    """Return the names of the files in a source archive."""
    (path,) = folder.glob("*.tar.gz")
    assert path.stat().st_size < LIMIT_BYTES
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def list_versioned(folder: str) -> set[str]:
    """Return the files of a folder of the repository, without compiled ones."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def test_the_wheel_has_the_package_the_license_and_nothing_else(wheel: Path) -> None:
    names = list_wheel(wheel)
    package = {name for name in names if name.startswith("bddseg/")}
    assert package == list_versioned("bddseg")
    metadata = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert names - package == {f"bddseg.dist-info/{name}" for name in metadata}
    demo = {
        path.relative_to(ROOT).as_posix() for path in [*IMAGES.iterdir(), *GROUND_TRUTH.iterdir()]
    }
    assert len(demo) == 16
    assert package >= demo | {"bddseg/py.typed", "bddseg/zoo/catalogs/drivable.toml"}


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < LIMIT_BYTES


def test_the_source_archive_builds_the_package_and_has_no_tests(wheel: Path) -> None:
    names = list_archive(wheel.parent)
    assert names > {"pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "bddseg/py.typed"}
    assert not [name for name in names if name.startswith(("tests/", "plugins/"))]


@pytest.mark.parametrize("name", PLUGINS)
def test_plugins_have_their_files_the_license_and_no_tests(name: str, tmp_path: Path) -> None:
    package, project = name.replace("-", "_"), ROOT / "plugins" / name
    names = list_wheel(build(project, tmp_path))
    wanted = {each.split("/", 2)[2] for each in list_versioned(f"plugins/{name}/{package}")}
    assert {each for each in names if each.startswith(f"{package}/")} == wanted
    assert wanted >= {f"{package}/py.typed"}
    assert f"{package}.dist-info/licenses/LICENSE" in names
    source = list_archive(tmp_path)
    assert wanted | {"pyproject.toml", "LICENSE", "README.md"} <= source
    assert not [each for each in [*names, *source] if each.startswith("tests/")]
    assert (project / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_versions_are_the_same() -> None:
    projects = [ROOT, *(ROOT / "plugins" / name for name in PLUGINS)]
    texts = [(project / "pyproject.toml").read_text(encoding="utf-8") for project in projects]
    assert len({tomllib.loads(text)["project"]["version"] for text in texts}) == 1


@pytest.mark.slow
def test_the_wheel_runs_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=True, timeout=120)
    # What bddseg requires comes from here; .pth files there, of editable packages, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(*command: object) -> str:
        done = subprocess.run(
            [*map(str, command)], cwd=tmp_path, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert str(site) in run(python, "-c", "import bddseg; print(bddseg.__file__)")
    assert "mean" in run(folder / "bin" / "bddseg", "demo", "-o", "out")
    assert len(list((tmp_path / "out" / "run" / "masks").iterdir())) == 8


def test_what_the_dockerfile_copies_exists_and_is_not_ignored() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.findall(r"^COPY (.+) \./", text, re.M)
    sources = {source for line in lines for source in line.split()}
    assert sources >= {"pyproject.toml", "bddseg", "constraints.txt"}
    assert all((ROOT / source).exists() for source in sources)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[2:] for line in ignored if line.startswith("!/")} >= sources
    # Extras that it installs.
    extras = re.findall(r"'\.\[(.+?)\]'", text)[0].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["optional-dependencies"].keys() >= set(extras)
    assert re.search(r"^torch==", (ROOT / "constraints.txt").read_text(), re.M)
