"""The README says what is true."""

import re
from pathlib import Path

import pytest

from bddseg.zoo.catalog import find_entry, list_entries

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| \[(.+?)\]\((.+?)\) \| (.+?) \| (\d+) \| `(.+?)` \| (.+?) \| (.+?) \|$", README, re.M
)


def test_the_table_of_the_zoo_has_every_architecture_once():
    zoo = [entry for entry in list_entries() if entry.scores]
    assert {row[0] for row in ROWS} == {entry.title for entry in zoo}
    assert len(ROWS) == 12
    assert sum(int(row[3]) for row in ROWS) == len(zoo)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_of_the_table_is_the_catalogs(row):
    title, url, venue, _, best, val, test = row
    entry = find_entry(best)
    assert (entry.title, entry.paper.url, entry.paper.venue) == (title, url, venue)
    assert (f"{entry.scores.miou_val:.2f}", f"{entry.scores.miou_test:.2f}") == (val, test)
    rivals = [other for other in list_entries() if other.title == title and other.scores]
    assert entry.scores.miou_val == max(other.scores.miou_val for other in rivals)


def test_every_file_that_the_readme_links_to_exists():
    root = Path(__file__).parents[1]
    for link in re.findall(r"\]\((?!https?://)([^)#]+)\)", README):
        assert (root / link).exists(), link
