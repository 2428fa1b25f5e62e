"""A test server, and a model whose weights it publishes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from zoo.downloads import BODY, MD5, MD5_PATH, PATH, write_toml
from zoo.site import File, Site, open_site


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries wait for milliseconds, except where a server says how long."""
    monkeypatch.setattr("bddseg.zoo.http.BACKOFF_S", (0.01, 0.05))


@pytest.fixture
def site() -> Iterator[Site]:
    """A server without files."""
    with open_site() as site:
        yield site


@pytest.fixture
def model(site: Site, tmp_path: Path) -> Path:
    """The TOML of a model whose weights and MD5 the server publishes."""
    site.files[PATH] = File(body=BODY)
    site.files[MD5_PATH] = File(body=MD5.encode())
    return write_toml(tmp_path, f'urls = ["{site.url}{PATH}"]')
