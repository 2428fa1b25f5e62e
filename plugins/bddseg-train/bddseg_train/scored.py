"""Scores of an evaluation, and which weights they are of."""

import msgspec

# How the weights that are scored are called: those of the last step, and their running average.
WEIGHTS, AVERAGE = "weights", "average"
_IN_WORDS = {WEIGHTS: "weights", AVERAGE: "averaged weights"}


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of some weights on the validation frames.

    Attributes:
        step: Number of steps after which they were scored.
        weights: "weights", or "average" for their running average.
        score: The number by which the best weights are chosen, in percent.
        chosen_by: Name of that number in `scores`.
        scores: All scores, in percent, by name.
    """

    step: int
    weights: str
    score: float
    chosen_by: str
    scores: dict[str, float]

    @property
    def origin(self) -> str:
        """Which weights they are of, in words."""
        return f"{_IN_WORDS[self.weights]} after step {self.step:,}"

    def __str__(self) -> str:
        """Return the score, with which it is and what has it."""
        return f"{self.score:.2f} ({self.chosen_by}, {self.origin})"
