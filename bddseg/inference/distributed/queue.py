"""The work queue of a run: which worker has claimed which work items, and what became of them."""

from collections import defaultdict, deque
from dataclasses import replace

from bddseg.inference.manifest import Manifest, Outcome, WorkItem
from bddseg.record import Failure


class WorkQueue:
    """Work items, those of the manifest in order; each is done once.

    What a dead worker had claimed goes to others, frame by frame, each alone with its worker. So a
    second death tells which frame is the cause, and that frame fails.

    Args:
        manifest: The work items.
        failures: Gets the frames without a result.
    """

    def __init__(self, manifest: Manifest, failures: list[Failure]) -> None:
        self._manifest = manifest
        self._failures = failures
        self._claimed: defaultdict[int, dict[int, WorkItem]] = defaultdict(dict)
        self._returned: deque[WorkItem] = deque()
        self._suspects: deque[WorkItem] = deque()
        self._shared: set[int] = set()
        self._next = 0
        self._num_items = len(manifest)
        self.done = 0
        self.skipped = 0
        self.num_fatal_frames = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do, by anybody."""
        is_claimed = any(self._claimed.values())
        return not (is_claimed or self._has_unclaimed() or self._suspects)

    def claim(self, worker: int) -> WorkItem | None:
        """Return a work item; None if there is none for this worker now."""
        claimed = self._claimed[worker]
        if any(item.is_suspect for item in claimed.values()):
            return None
        if self._returned:
            item = self._returned.popleft()
        elif self._next < len(self._manifest):
            item = WorkItem(number=self._next, refs=self._manifest.read(self._next))
            self._next += 1
        elif self._suspects and not claimed:
            item = self._suspects.popleft()
        else:
            return None
        claimed[item.number] = item
        return item

    def complete(self, worker: int, outcome: Outcome) -> None:
        """Take in what became of a work item."""
        item = self._claimed[worker].pop(outcome.number)
        self.done += outcome.done
        if item.is_suspect or item.number in self._shared:
            # A result that is there already is of the worker that had the item before.
            self.done += outcome.skipped
        else:
            self.skipped += outcome.skipped
        self._failures += outcome.failures

    def release(self, worker: int) -> None:
        """Return the claims of a worker that ends of its own accord."""
        for item in self._claimed.pop(worker, {}).values():
            (self._suspects if item.is_suspect else self._returned).append(item)
            self._shared.add(item.number)

    def requeue_after_death(self, worker: int) -> None:
        """Return the claims of a worker that died, as suspects of its death."""
        for item in self._claimed.pop(worker, {}).values():
            if item.is_suspect:
                self.num_fatal_frames += 1
                frame = str(item.refs[0])
                error = f"{frame}: two workers died while they processed it."
                self._failures.append(Failure(frame=frame, error=error))
                continue
            for ref in item.refs:
                suspect = replace(item, number=self._num_items, refs=[ref], is_suspect=True)
                self._suspects.append(suspect)
                self._num_items += 1

    def _has_unclaimed(self) -> bool:
        return self._next < len(self._manifest) or bool(self._returned)
