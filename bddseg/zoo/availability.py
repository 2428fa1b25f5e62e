"""Whether the weights of a model can be had."""

from enum import StrEnum
from urllib.parse import urlsplit

from bddseg.io.read import is_file
from bddseg.specs import Entry
from bddseg.zoo.cache import get_weights_path

_ZOO_HOST = "dl.cv.ethz.ch"
_REPORT = "github.com/SysCV/bdd100k-models/issues/28"
ZOO_OUTAGE = (
    f"{_ZOO_HOST}, the only host of the zoo's files, has been reported down since March 2026 "
    f"({_REPORT})."
)
# In two lines that fit 80 columns.
OUTAGE_NOTE = f"host down: {_ZOO_HOST}, reported down since March 2026\n({_REPORT})"


class Availability(StrEnum):
    """Where the weights of a model are, the easiest to get first."""

    CACHED = "cached"
    ONLINE = "online"
    HOST_DOWN = "host down"
    NOWHERE = ""


def find_availability(entry: Entry) -> Availability:
    """Return where the weights of a model are; no network is used."""
    if is_file(get_weights_path(entry)):
        return Availability.CACHED
    hosts = {urlsplit(url).hostname for url in entry.weights.urls}
    if hosts - {_ZOO_HOST}:
        return Availability.ONLINE
    return Availability.HOST_DOWN if hosts else Availability.NOWHERE
