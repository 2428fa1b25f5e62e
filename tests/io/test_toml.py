"""Tables of TOML files: keys that do not exist, and writing."""

from pathlib import Path

import msgspec
import pytest

from bddseg.errors import BddsegError
from bddseg.io.toml import convert, format_toml, merge, read_tables, read_toml


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    rate: float = 1.0
    names: tuple[str, ...] = ()


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    steps: int = 3
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"step": 1}, "`step`. Did you mean steps? Fix it."),
        ({"rate": 1}, "`rate`. Did you mean inner.rate? Fix it."),
        ({"inner": {"rates": 1}}, "`rates` - at `inner`. Did you mean inner.rate? Fix it."),
        ({"inner": {"steps": 1}}, "`steps` - at `inner`. Did you mean steps? Fix it."),
        ({"steps": "x"}, "Expected `int`, got `str` - at `steps`. Fix it."),
        ({"inner": {"names": [1]}}, "Expected `str`, got `int` - at `inner.names[0]`. Fix it."),
    ],
)
def test_an_error_names_the_key_and_the_nearest_one(table: dict[str, object], words: str) -> None:
    with pytest.raises(BddsegError) as caught:
        convert({"name": "one", **table}, Outer, "here", "Fix it.")
    assert str(caught.value).startswith("here: ")
    assert str(caught.value).endswith(words)


def test_tables_are_merged_and_other_values_replaced() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": None}
    assert merge(base, {"a": {"c": [3]}, "d": {"e": 4}}) == {"a": {"b": 1, "c": [3]}, "d": {"e": 4}}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": None}


def test_named_tables_are_complete(tmp_path: Path) -> None:
    path = tmp_path / "all.toml"
    path.write_text('[base.b]\ntext = "of {name}"\n[[thing]]\nname = "one"\nextends = "b"\n')
    assert read_tables(path, "thing", "") == [
        (f"{path}, thing one", {"name": "one", "text": "of one"})
    ]
    with pytest.raises(BddsegError, match="unknown field `thing`"):
        read_tables(path, "entry", "")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    content = Outer(name="one", inner=Inner(rate=0.5, names=("a", "b")))
    (tmp_path / "one.toml").write_text(format_toml(content))
    assert convert(read_toml(tmp_path / "one.toml"), Outer, "", "") == content
