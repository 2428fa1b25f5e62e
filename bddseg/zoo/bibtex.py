"""The publication of a model as a BibTeX entry."""

import re

from bddseg.errors import BddsegError
from bddseg.specs import Entry

_YEAR = re.compile(r"\b(19|20)\d\d\b")


def format_bibtex(entry: Entry) -> str:
    """Return the BibTeX entry of a model's publication, with what its entry says.

    Raises:
        BddsegError: it has no publication.
    """
    paper = entry.paper
    if paper is None:
        raise BddsegError(
            f"The entry of {entry.name} has no publication.",
            f"Other facts: bddseg zoo show {entry.short_name}",
        )
    year = _YEAR.search(paper.venue)
    # In two pairs of braces, capital letters stay.
    title = re.sub(r"[&%$#_]", r"\\\g<0>", paper.title)
    fields = {
        "title": f"{{{title}}}",
        "howpublished": paper.venue,
        "year": year[0] if year else "",
        "url": paper.url,
    }
    lines = [f"  {key} = {{{value}}}," for key, value in fields.items() if value]
    key = entry.architecture or entry.name
    note = "% The catalog does not have the authors: add them from the URL."
    return "\n".join([note, f"@misc{{{key},", *lines, "}"])
