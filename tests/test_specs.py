"""What an entry says is checked where it is read."""

from pathlib import Path

import pytest

from bddseg.errors import BddsegError
from bddseg.specs import change_postprocessing
from bddseg.zoo.catalog import read_entry

STD, MEAN, SIZE = "std = [58.395, 57.12, 57.375]", "mean = [123.675, 116.28, 103.53]", "[64, 96]"
WINDOW = "[sliding_window]\ncrop_hw = [64, 64]\nstride_hw = {}\n[weights]"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (STD, "std = [58.4, 0.0, 57.4]", r"each std has to be above 0.* - at `preprocessing`"),
        (STD, "std = [58.4, -1.0, 57.4]", "each std has to be above 0"),
        (STD, "std = [58.4, 1e-30, 57.4]", r"inputs of up to 3\.\d+e\+32"),
        (MEAN, "mean = [nan, 116.0, 103.0]", "mean, std and scale have to be finite"),
        (MEAN, "mean = [inf, 116.0, 103.0]", "mean, std and scale have to be finite"),
        (MEAN, f"{MEAN}\nscale = 0.0", "inputs of up to 0, and networks expect"),
        (MEAN, f"{MEAN}\nscale = nan", "mean, std and scale have to be finite"),
        (SIZE, "[64, 100_000_000]", r"<= 16384 - at `preprocessing\.size_hw\[1\]`"),
        (SIZE, "[0, 96]", r">= 1 - at `preprocessing\.size_hw\[0\]`"),
        ("[weights]", WINDOW.format("[64, 65]"), r"stride_hw \[64, 65\] is larger than crop_hw"),
        ("[weights]", WINDOW.format("[0, 64]"), r">= 1 - at `sliding_window\.stride_hw"),
    ],
)
def test_numbers_that_would_make_wrong_masks_are_refused(
    tiny: Path, old: str, new: str, problem: str
) -> None:
    text = tiny.read_text()
    assert old in text
    tiny.write_text(text.replace(old, new))
    with pytest.raises(BddsegError, match=rf"tiny\.toml.*{problem}"):
        read_entry(tiny)


def test_a_window_without_overlap_is_accepted(tiny: Path) -> None:
    tiny.write_text(tiny.read_text().replace("[weights]", WINDOW.format("[64, 64]")))
    window = read_entry(tiny).sliding_window
    assert window is not None
    assert window.stride_hw == (64, 64)


def test_the_ego_region_is_one_of_the_main_task_alone(tiny: Path) -> None:
    entry = change_postprocessing(read_entry(tiny), min_region=9, ego_region_only=True)
    assert entry.get_postprocessing("drivable") == entry.postprocessing
    lanes = entry.get_postprocessing("lane_binary")
    assert (lanes.min_region, lanes.ego_region_only) == (9, False)
