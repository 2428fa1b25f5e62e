"""Faults of workers: copied as `sitecustomize.py`, it changes the network of each new process.

The environment says how: SLOW_S makes each batch take longer, without work for the CPU. A frame of
`FATAL_HEIGHT` pixels kills its process. FAULT names what one process does at its third batch, or
while it loads; FAULT_ONCE is a file that the first such process makes, so that no other does it.
With the fault "start", no worker of torchrun gets anywhere before all are restarted.
"""

import importlib.abc
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bddseg.inference.images import Inputs

FATAL_HEIGHT = 66
_NUM_GOOD_BATCHES = 2


def hang() -> None:
    while True:
        time.sleep(1)


def raise_error() -> None:
    raise RuntimeError("CUDA error: device-side assert triggered")


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def assert_on_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        raise_error()
    # The GPU reports it at a later call.
    torch._assert_async(torch.zeros((), device="cuda"))


def sleep_on_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        hang()
    for _ in range(99):
        torch.cuda._sleep(1 << 40)  # type: ignore[no-untyped-call]


FAULTS = {
    "raise": raise_error,
    "hang": hang,
    "load": hang,
    "assert": assert_on_gpu,
    "sleep": sleep_on_gpu,
}


def is_first() -> bool:
    try:
        Path(os.environ["FAULT_ONCE"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def install() -> None:
    import bddseg.inference.predictor as module

    fault = os.environ.get("FAULT", "")
    plain, count = module.Predictor.compute_logits, [0]

    def compute_logits(predictor: module.Predictor, batch: "Sequence[Inputs]") -> Any:
        time.sleep(float(os.environ.get("SLOW_S", "0")))
        count[0] += 1
        if batch[0].size_hw[0] == FATAL_HEIGHT:
            os.kill(os.getpid(), signal.SIGKILL)
        if fault in FAULTS and count[0] > _NUM_GOOD_BATCHES and is_first():
            FAULTS[fault]()
        return plain(predictor, batch)

    module.Predictor.compute_logits = compute_logits  # type: ignore[method-assign,assignment]
    if fault == "load" and is_first():
        module.load_model = lambda *_args, **_options: hang()  # type: ignore[assignment]


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "bddseg.inference.pipeline":
            sys.meta_path.remove(self)
            install()


if __name__ == "sitecustomize":
    if os.environ.get("FAULT") == "start" and os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0":
        stop()
    sys.meta_path.insert(0, _Finder())
