"""How the batch of a step is divided: among processes, and into passes that fit into memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from bddseg.errors import BddsegError
from bddseg_train.distributed import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """The division of a batch.

    Attributes:
        batch_size: Images of a step, of all processes.
        images_per_pass: Images of a process that go through the network at a time.
        num_passes: Passes of a process in each step; their gradients are averaged.
        rank: Rank of this process.
    """

    batch_size: int
    images_per_pass: int
    num_passes: int
    rank: int

    @classmethod
    def make(cls, batch_size: int, group: Group, images_per_pass: int | None) -> Self:
        """Return the division among the processes of a group.

        Args:
            batch_size: Images of a step, of all processes.
            group: The processes.
            images_per_pass: Images that fit into a device's memory; None if all of a process do.

        Raises:
            BddsegError: the batch cannot be divided evenly, or a pass would have a single image,
                of which batch norms learn nothing.
        """
        share, rest = divmod(batch_size, group.world_size)
        size = min(images_per_pass or share, share)
        if rest or share % size:
            raise BddsegError(
                f"A batch of {batch_size} images cannot be divided into passes of {size} on "
                f"{group.world_size} devices.",
                "Use --images-per-step N with a divisor, or --set batch_size=N.",
            )
        return cls(
            batch_size=batch_size,
            images_per_pass=size,
            num_passes=share // size,
            rank=group.rank,
        )

    def list_positions(self, start: int, stop: int) -> Iterator[int]:
        """Yield the numbers of this process's samples in the steps from `start` to `stop` - 1."""
        share = self.images_per_pass * self.num_passes
        for step in range(start, stop):
            first = step * self.batch_size + self.rank * share
            yield from range(first, first + share)
