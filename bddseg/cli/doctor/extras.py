"""The extras of the package: what each adds, and which packages it lacks."""

from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import NamedTuple

from packaging.requirements import Requirement

_OWN_PACKAGE = "bddseg"
# What a user gets; extras that are not here are for those who change bddseg.
PURPOSES = {
    "video": "videos as sources and results",
    "heic": "frames of iPhones",
    "onnx": "the runtime onnx, and exporting to ONNX files",
    "openvino": "the runtime openvino, for CPUs of Intel and AMD",
    "tensorrt": "the runtime tensorrt, on NVIDIA GPUs; in place of onnx, not beside it",
    "quantize": "int8 models",
    "report": "pages of results",
    "bdd100k": "polygons drawn as by the official toolkit",
}


class Extra(NamedTuple):
    """An extra.

    Attributes:
        name: Its name, as in `pip install 'bddseg[NAME]'`.
        packages: Its packages, with the versions that are installed.
        problems: Which packages are missing or have other versions than required.
    """

    name: str
    packages: list[str]
    problems: list[str]


def list_extras() -> list[Extra]:
    """Return the extras for users, with the packages that the metadata name."""
    offered = metadata(_OWN_PACKAGE).get_all("Provides-Extra") or []
    return [_inspect(name) for name in PURPOSES if name in offered]


def find_broken_requirements() -> list[str]:
    """Return what is wrong with the packages that bddseg always needs."""
    return _inspect("").problems


def _inspect(name: str) -> Extra:
    extra = Extra(name, [], [])
    for requirement in map(Requirement, requires(_OWN_PACKAGE) or []):
        always = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if always != (name == ""):
            continue
        if requirement.marker and not requirement.marker.evaluate({"extra": name}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            extra.problems.append(f"{requirement.name} is missing")
            continue
        extra.packages.append(f"{requirement.name} {found}")
        if not requirement.specifier.contains(found, prereleases=True):
            extra.problems.append(
                f"{requirement.name} is {found}, and {requirement.specifier} is needed"
            )
    return extra
