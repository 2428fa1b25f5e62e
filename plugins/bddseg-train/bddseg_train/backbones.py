"""ImageNet weights of backbones: a small catalog, downloaded like the weights of a model."""

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from bddseg.errors import BddsegError, unknown_name
from bddseg.progress import ProgressGroup, SilentProgress
from bddseg.specs import Entry
from bddseg.zoo.assets import Asset, AssetKind
from bddseg.zoo.catalog import read_catalog

BACKBONES = Path(__file__).with_name("backbones.toml")


def find_backbone(name: str) -> Entry:
    """Return the entry of a backbone's ImageNet weights.

    Raises:
        BddsegError: there is none of that name; the message has the nearest ones.
    """
    entries = {entry.name: entry for entry in read_catalog(BACKBONES)}
    if name not in entries:
        raise unknown_name("backbone", name, entries)
    return entries[name]


def get_backbone(entry: Entry, progress: ProgressGroup | None = None) -> Path:
    """Return the file of a backbone's weights; it is downloaded if it is not in the cache.

    It has the path of its URL in the cache and on mirrors, and there its name alone, too.

    Raises:
        BddsegError: it cannot be downloaded.
    """
    # Imported here: the network libraries take a while.
    from bddseg.zoo.addresses import DownloadOptions
    from bddseg.zoo.download import Downloader

    (url,) = entry.weights.urls
    asset = Asset(
        entry=entry,
        kind=AssetKind.WEIGHTS,
        path=PurePosixPath(urlsplit(url).path.lstrip("/")),
        urls=entry.weights.urls,
        in_catalog=True,
    )
    try:
        return Downloader(DownloadOptions(), progress or SilentProgress()).download(asset)
    except BddsegError as error:
        raise BddsegError(
            error.message,
            f"Use a mirror (BDDSEG_MIRRORS), download {url} elsewhere and use --init FILE, or "
            'start from random weights: --init "".',
        ) from error
