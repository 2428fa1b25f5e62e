"""The page: one HTML document, with its style, its scripts and the data of its frames inside."""

import base64
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from bddseg.errors import BddsegError

if TYPE_CHECKING:
    from jinja2 import Environment

# In this order: each uses names of those before it.
_SCRIPTS = ("base.js", "histogram.js", "gallery.js", "panes.js", "viewer.js")

# Images of a frame as data URLs, by key, with the index of the frame.
EmbeddedImages = tuple[int, Mapping[str, str]]


def check_template() -> None:
    """Check that pages can be made.

    Raises:
        BddsegError: a package is missing.
    """
    _make_environment()


def render_page(
    describe_sections: Callable[[], Mapping[str, Any]],
    describe_frames: Callable[[], Mapping[str, Any]],
    embedded: Iterable[EmbeddedImages] = (),
) -> Iterator[bytes]:
    """Yield the page in pieces, so that the images of all frames are never in memory together.

    Args:
        describe_sections: Returns what the template shows; called after the last image.
        describe_frames: Returns what the scripts show, plain data; likewise.
        embedded: Images that are part of the page.
    """
    script = _join_scripts()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = _make_environment().get_template("page.html.jinja")
    pieces = template.generate(
        describe_sections=describe_sections,
        describe_frames=lambda: replace_nan(describe_frames()),
        embedded=embedded,
        script=script,
        script_hash=digest,
        style=_read_asset("report.css"),
    )
    return (piece.encode() for piece in pieces)


def replace_nan(content: Any) -> Any:
    """Return plain data for JSON: NaN becomes None, and floats have two decimals."""
    if isinstance(content, float):
        return round(content, 2) if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {key: replace_nan(value) for key, value in content.items()}
    if isinstance(content, Sequence) and not isinstance(content, str):
        return [replace_nan(value) for value in content]
    return content


def _join_scripts() -> str:
    """Return all scripts as one, whose names are its own."""
    parts = "\n".join(map(_read_asset, _SCRIPTS))
    return f'(() => {{\n"use strict";\n{parts}}})();'


@cache
def _read_asset(name: str) -> str:
    return (resources.files("bddseg.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def _make_environment() -> "Environment":
    # Everything that goes into the page is escaped; `tojson` escapes what could end a script.
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise BddsegError(
            f"Reports need {error.name}.", "Install it: pip install 'bddseg[report]'."
        ) from error
    environment = Environment(
        loader=PackageLoader("bddseg.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters["score"] = _format_score
    return environment


def _format_score(value: float | None, sign: str = "", decimals: int = 2) -> str:
    if value is None or math.isnan(value):
        return "\N{EN DASH}"
    return f"{value:{sign}.{decimals}f}".replace("-", "\N{MINUS SIGN}")
