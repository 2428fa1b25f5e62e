"""URLs: checked, and shown without their secrets."""

import re
from urllib.parse import urlsplit

# Scheme, user and password, host and path, query and fragment.
_URL = re.compile(r"(?i)([a-z][a-z0-9+.-]*://)([^\s/?#'\"]*@)?([^\s?#'\"]*)([?#][^\s'\"]*)?")


def redact(text: str) -> str:
    """Return a text with users, passwords and queries of its URLs hidden: they can be secrets."""
    return _URL.sub(
        lambda url: f"{url[1]}{'***@' if url[2] else ''}{url[3]}{'?***' if url[4] else ''}", text
    )


def find_problem(url: str) -> str:
    """Return why a text is not the URL of a file on a server; empty if it is."""
    try:
        parts = urlsplit(url)
        # Both are parsed when they are read.
        host, _ = parts.hostname, parts.port
    except ValueError:
        # Its text can contain a part of a password.
        return "its host or its port is invalid"
    if parts.scheme not in ("http", "https") or not host:
        return "it does not begin with http:// or https:// and the name of a host"
    return "" if url.isprintable() else "it contains control characters"
