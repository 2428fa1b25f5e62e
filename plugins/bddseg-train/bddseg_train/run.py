"""A training run from its recipe to its model: in this process, or in one for each GPU."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bddseg.errors import BddsegError
from bddseg.inference.distributed.rank import read_rank_info
from bddseg.inference.threads import set_num_threads
from bddseg.io.lock import lock_folder
from bddseg_train.distributed import join_group
from bddseg_train.folder import RunFolder
from bddseg_train.launch import launch
from bddseg_train.options import TrainOptions
from bddseg_train.recipe import Recipe
from bddseg_train.record import TrainingRecord, write_record
from bddseg_train.train import Job, train
from bddseg_train.view import SilentView, View


def run_training(
    recipe: Recipe,
    out: Path,
    options: TrainOptions,
    *,
    view: View | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainingRecord:
    """Train a recipe's model, and return what was done.

    The same call goes on with a run that was interrupted. A process that torchrun started is one
    of several of the run, on one machine or more.

    Args:
        recipe: The recipe.
        out: Folder for the results; see `RunFolder`.
        options: Devices, precision, and how fast.
        view: Shows where the run stands; without, nothing is shown.
        should_stop: Is asked after each step; if it says so, the state is saved and the run ends.

    Raises:
        BddsegError: the recipe, its data or the folder cannot be used, or the loss is not finite.
    """
    folder, info = RunFolder(out), read_rank_info()
    with ExitStack() as stack:
        if info is None or info.rank == 0:
            stack.enter_context(lock_folder(out))
            folder.start(recipe, overwrite=options.overwrite)
        if info is None and options.num_gpus > 1:
            return launch(folder, options, view=view or SilentView(), should_stop=should_stop)
        return train_as_process(
            recipe, folder, options, view=view or SilentView(), should_stop=should_stop
        )


def train_as_process(
    recipe: Recipe,
    folder: RunFolder,
    options: TrainOptions,
    *,
    view: View,
    should_stop: Callable[[], bool],
) -> TrainingRecord:
    """Train as one process of a run, in a folder that is ready; see `run_training`."""
    if options.num_threads:
        set_num_threads(options.num_threads)
    iterations = recipe.iterations
    try:
        with join_group(options.device) as group:
            # The others look for a checkpoint: not before the first one has made the folder ready.
            group.wait()
            job = Job(
                recipe=recipe,
                folder=folder,
                options=options,
                group=group,
                view=view,
                should_stop=should_stop,
            )
            state = train(job)
    except BddsegError as error:
        failure = TrainingRecord.fail(error, iterations)
        write_record(folder.record, failure)
        raise
    record = TrainingRecord(
        status="finished" if state.step == iterations else "interrupted",
        step=state.step,
        iterations=iterations,
        best=state.best,
        model=str(folder.model) if folder.model.exists() else "",
    )
    if group.is_first:
        write_record(folder.record, record)
    return record
