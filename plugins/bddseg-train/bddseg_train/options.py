"""How a recipe is run: on which devices, in which precision, how fast."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How a recipe is run.

    Attributes:
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: What the network computes in; parameters are always float32.
        images_per_step: Images of a device that go through the network at a time; the gradients of
            a batch are accumulated. None: all of a device's share.
        num_workers: Processes that read and transform frames, of each device; 0: the process
            itself does.
        num_threads: Threads of the network on a CPU; 0: as many as there are cores.
        compile: Compile the network.
        tensorboard: Also write files for the program tensorboard.
        num_gpus: Number of processes, one for each GPU.
        overwrite: Start again where the folder has a run.
    """

    device: str = "auto"
    precision: Literal["fp32", "bf16"] = "fp32"
    images_per_step: int | None = None
    num_workers: int = 2
    num_threads: int = 0
    compile: bool = False
    tensorboard: bool = False
    num_gpus: int = 1
    overwrite: bool = False
