"""Reports words that this project does not use, each with the word to use instead.

    python tests/check_words.py [FILE]...

Without files, all code and documents are checked, and their names. Identifiers are split into
words: `cache_twin` and `CacheTwin` both contain "twin". The exit code is 1 if a word was found.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKED = ("bddseg", "plugins", "tests", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile")
SUFFIXES = {".css", ".in", ".jinja", ".js", ".md", ".py", ".toml"}

# Regular expression of words -> what to write instead. A space stands for any white space or "_".
BANNED = {
    # Distributed runs.
    "boards?": "work queue",
    "pins?|pinned|pinning": "put, fix",
    "(draw|draws|drawn) (a |the |its )?(tasks?|work)|workers? draws?": "claim",
    "beats?": "heartbeat",
    r"leave\(|has left": "disconnect",
    "read place|place.(rank|world|local)": "RankInfo",
    "hands": "I/O threads",
    "signs? of life": "heartbeat",
    # Files.
    "twins?": "duplicate",
    "protect(s|ed|ing)?": "refuse_overwriting_input, refuse",
    "thief|thieves": "a package with a reserved name",
    "taken": "reserved, used, read",
    "many th": "every N-th",
    # Scores.
    "hits?": "true positive",
    "missed": "false negative, missing",
    "invent(s|ed|ing)?": "false positive",
    "confused": "wrong class",
    "plain (score|mean|iou|miou)s?": "standard score",
    "surplus": "extra",
    # Encodings.
    "telling": "conclusive",
    "judg(e|es|ed|ing|ement)": "detect, decide",
    "strangers?": "unknown",
    # Everyday English.
    "mend(s|ed|ing)?": "fix",
    "passed over": "ignored",
    "could not be had|cannot be had": "could not be downloaded",
    "colou(r|rs|red|ring|rful|rless)|colou?ris(e|es|ed|ing)": "color",
    "begun": "started",
    "(is|are) said": "is reported, is an error",
    "(say|says) --": "use --",
}
# Exact text -> why it is allowed.
ALLOWED = {
    "TwinLiteNet": "name of a network",
    "pin_memory": "parameter of PyTorch",
    "ENABLE_CPU_PINNING": "property of OpenVINO",
    "pinned memory": "as PyTorch and CUDA call it",
}

_SPACE = r"(?:[\s_#`]+)"
_PATTERNS = {
    re.compile(f"(?<![a-z])(?:{words.replace(' ', _SPACE)})(?![a-z])"): instead
    for words, instead in BANNED.items()
}
_CAMEL_CASE = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def find_words(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, the banned word and what to write instead."""
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    text = _CAMEL_CASE.sub(" ", text).lower()
    for pattern, instead in _PATTERNS.items():
        for match in pattern.finditer(text):
            word = " ".join(match[0].split())
            yield text.count("\n", 0, match.start()) + 1, word, instead


def list_files() -> Iterator[Path]:
    """Yield the files that are checked."""
    for name in CHECKED:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.suffix in SUFFIXES or file == path:
                yield file


def main(arguments: list[str]) -> int:
    """Print each word that was found; return the exit code."""
    found = 0
    for path in map(Path, arguments) if arguments else list_files():
        path = path.resolve()
        if path == Path(__file__) or not path.is_file():
            continue
        name = path.relative_to(ROOT).as_posix()
        words = sorted(find_words(path.read_text(encoding="utf-8")))
        words += [(1, f"{word} (file name)", instead) for _, word, instead in find_words(name)]
        for line, word, instead in words:
            print(f"{name}:{line}: {word} -> {instead}")
        found += len(words)
    if found:
        print(f"{found} banned words. They are listed, with their replacements, in {__file__}.")
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
