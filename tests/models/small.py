"""Small networks of each built-in architecture: one entry of the zoo each, with few channels."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bddseg.models.build import ARCHITECTURES
from bddseg.specs import Entry, SlidingWindow
from bddseg.zoo.catalog import list_entries

BUILT_IN = [
    name for name in ARCHITECTURES.list_names() if ARCHITECTURES.get_package(name) == "bddseg"
]
_BACKBONES: dict[str, dict[str, Any]] = {
    "resnet": {"depth": 18, "base_channels": 8},
    "hrnet": {"width": 8, "modules": [1, 1, 1, 1], "blocks": 1},
}
# Only those that a head has are used.
_HEAD = {
    "channels": 16,
    "ema_channels": 16,
    "low_level_channels": 8,
    "mask_hw": [9, 9],
    "num_bases": 4,
}


def make_small_entry(architecture: str) -> Entry:
    """Return an entry of the zoo with few channels and a small input."""
    entry = next(
        each for each in list_entries() if each.architecture == architecture and each.scores
    )
    backbone, head = entry.options["backbone"], entry.options["head"]
    assert isinstance(backbone, dict) and isinstance(head, dict)
    tables: dict[str, Any] = {
        "backbone": backbone | _BACKBONES[backbone["type"]],
        "head": head | {key: value for key, value in _HEAD.items() if key in head},
    }
    if "auxiliary_head" in entry.options:
        tables["auxiliary_head"] = {"channels": 8, "stage": 2}
    window = entry.sliding_window and SlidingWindow(crop_hw=(65, 65), stride_hw=(43, 43))
    return msgspec.structs.replace(
        entry,
        options=entry.options | tables,
        preprocessing=msgspec.structs.replace(entry.preprocessing, size_hw=(72, 128)),
        sliding_window=window,
    )


def replace_options(entry: Entry, changes: Mapping[str, Any]) -> Entry:
    """Return an entry with other options; keys are such as "head.channels", None removes one."""
    options: dict[str, Any] = msgspec.to_builtins(entry.options)
    for key, value in changes.items():
        *tables, name = key.split(".")
        table = options
        for each in tables:
            table = table[each]
        if value is None:
            table.pop(name)
        else:
            table[name] = value
    return msgspec.structs.replace(entry, options=options)
