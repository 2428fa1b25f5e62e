"""File names that are not UTF-8: Python has their bytes as surrogates, which no file can hold."""

from typing import Any


def escape_names(content: Any) -> Any:
    r"""Return content, which may be nested, with such bytes in texts as \\xNN."""
    if isinstance(content, str):
        return content if content.isascii() else _escape(content)
    if isinstance(content, dict):
        return {escape_names(key): escape_names(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [escape_names(value) for value in content]
    return content


def _escape(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
