"""One process of several of a training run.

`python -m bddseg_train.worker` is what torchrun's agent starts for each GPU.
"""

import sys
from pathlib import Path

from bddseg.errors import BddsegError
from bddseg_train.folder import RunFolder
from bddseg_train.launch import begin_process
from bddseg_train.live import open_view
from bddseg_train.recipe import find_recipe
from bddseg_train.run import train_as_process
from bddseg_train.signals import catch_signals


def main() -> None:
    """Train, and exit."""
    spec = begin_process()
    folder = RunFolder(Path(spec.folder))
    try:
        with catch_signals() as should_stop, open_view() as view:
            train_as_process(
                find_recipe(folder.recipe),
                folder,
                spec.options,
                view=view,
                should_stop=should_stop,
            )
    except BddsegError:
        # The record says why, and the process that started this one shows it.
        sys.exit(1)


if __name__ == "__main__":
    main()
