"""The private folder through which a launcher, torchrun's agent and the workers talk.

It holds the run spec, and what the worker of rank 0 shows and raises: the launcher alone prints.
Only the user can read it, because the spec can hold credentials.
"""

import json
from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.inference.run import RunSpec, decode_spec, encode_spec
from bddseg.io.atomic import write_atomically
from bddseg.progress import Progress


class Handover:
    """The files in such a folder; as the `Progress` of the worker, it passes progress on.

    Args:
        folder: Private to the user.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._spec = folder / "spec.json"
        self._error = folder / "error.json"
        self._progress = folder / "progress.json"
        self._notes = folder / "notes.jsonl"
        self._notes_shown = 0

    def write_spec(self, spec: RunSpec) -> None:
        """Write the run spec."""
        self._spec.touch(mode=0o600)
        self._spec.write_bytes(encode_spec(spec))

    def read_spec(self) -> RunSpec:
        """Return the run spec."""
        return decode_spec(self._spec.read_bytes())

    def write_error(self, error: BddsegError) -> None:
        """Write the error that ends the run; the first one counts."""
        if not self._error.exists():
            write_atomically(self._error, json.dumps([error.message, error.hint]).encode())

    def read_error(self) -> BddsegError | None:
        """Return the error that ended the run, if there is one."""
        if not self._error.exists():
            return None
        return BddsegError(*json.loads(self._error.read_bytes()))

    def update(self, *, done: int, failed: int = 0, total: int | None = None) -> None:
        """Pass on numbers of frames."""
        content = json.dumps({"done": done, "failed": failed, "total": total})
        write_atomically(self._progress, content.encode())

    def note(self, text: str) -> None:
        """Pass on a note."""
        with self._notes.open("a") as file:
            file.write(json.dumps(text) + "\n")

    def show(self, progress: Progress) -> None:
        """Show what was passed on since the last call."""
        if self._notes.exists():
            notes = self._notes.read_text().splitlines()
            for note in notes[self._notes_shown :]:
                progress.note(json.loads(note))
            self._notes_shown = len(notes)
        if self._progress.exists():
            progress.update(**json.loads(self._progress.read_bytes()))
