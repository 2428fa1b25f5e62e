"""The training loop: data, network, optimizer, and what happens in each step.

Read `train` from top to bottom; every file beside this one is one of its parts.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from bddseg.data.labeled_frames import LabeledFrames
from bddseg.errors import BddsegError
from bddseg.inference.runtimes.compiled import check_compiler, explain_compile_errors
from bddseg.models.build import build_network
from bddseg.progress import pluralize
from bddseg.tasks.task import get_task
from bddseg.zoo.catalog import find_entry
from bddseg_train.average import WeightAverage
from bddseg_train.batches import BatchPlan
from bddseg_train.checkpoint import TrainingState
from bddseg_train.data import check_crop, open_data
from bddseg_train.depthwise import speed_up_depthwise
from bddseg_train.distributed import Group, synchronize_batch_norms
from bddseg_train.evaluation import Evaluator
from bddseg_train.folder import RunFolder
from bddseg_train.frozen import freeze
from bddseg_train.init import load_initial_weights
from bddseg_train.loader import Batch, TrainingSet, make_loader, normalize
from bddseg_train.log import TrainingLog
from bddseg_train.meter import Meter
from bddseg_train.network import TrainingNetwork
from bddseg_train.optimizer import compute_learning_rate, make_optimizer, set_learning_rate
from bddseg_train.options import TrainOptions
from bddseg_train.recipe import Recipe
from bddseg_train.scale import describe_scale
from bddseg_train.transforms import build_transforms
from bddseg_train.view import View

_SAVE_INTERVAL_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one process of a training run is to do.

    Attributes:
        recipe: What is computed.
        folder: Where the results go.
        options: How it is computed.
        group: The processes of the run, and this one's device.
        view: Shows where the run stands; only the first process's is used.
        should_stop: Is asked after each step; if it says so, the state is saved and the loop ends.
    """

    recipe: Recipe
    folder: RunFolder
    options: TrainOptions
    group: Group
    view: View
    should_stop: Callable[[], bool]


def train(job: Job) -> TrainingState:
    """Run a recipe to its end, or until it is to stop, and return the last state.

    Where the folder has a checkpoint, the run goes on from there, and computes what it would have
    computed without the interruption.

    Raises:
        BddsegError: the data, the model or the folder cannot be used; or a loss or a gradient is
            not a finite number: the last checkpoint is then from before.
    """
    recipe, folder, options, group = job.recipe, job.folder, job.options, job.group
    view, device, is_first = job.view, job.group.device, job.group.is_first
    entry = find_entry(recipe.model)

    # Frames and labels. Sample number p is the same in each run with this seed, however many
    # processes there are, so that the number of the step says where the run is in the data.
    data = open_data(recipe.data, get_task(entry.task))
    check_crop(recipe, data.train)
    dataset = TrainingSet(
        data.train,
        get_task(entry.task),
        build_transforms(recipe.transforms, recipe.crop_hw),
        recipe.crop_hw,
        recipe.seed,
    )
    plan = BatchPlan.make(recipe.batch_size, group, options.images_per_step)

    # The network with its initial weights; all that changes from step to step is in `state`.
    torch.manual_seed(recipe.seed)
    network = build_network(entry)
    scale = describe_scale(recipe, entry.preprocessing, data.train[0].check_size())
    notes, has_checkpoint = [*data.notes, *scale], folder.last.exists()
    if not has_checkpoint:
        notes += load_initial_weights(network, recipe.init)
    network.train().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze(network, recipe.frozen)
    if device.type == "cpu" and not options.compile:
        speed_up_depthwise(network)
    if group.world_size > 1:
        network = synchronize_batch_norms(network, device)
    state = TrainingState(
        network=network,
        optimizer=make_optimizer(network, recipe.optimizer),
        average=WeightAverage(network, recipe.ema_decay) if recipe.ema_decay else None,
        data=_identify(data.train),
    )
    if has_checkpoint:
        state.load(folder.last)
        notes.append(f"Going on after step {state.step:,} of {recipe.iterations:,}.")
    if is_first:
        # The new checkpoint is written before the old one is removed; and there is the best one.
        folder.check_space((1 if has_checkpoint else 3) * state.num_bytes)
        for note in notes:
            view.note(note)
        if options.num_workers:
            readers = pluralize(options.num_workers, "process", "processes")
            view.note(f"Starting {readers} to read frames, which takes some seconds.")

    module: nn.Module = TrainingNetwork(network, entry, recipe.loss)
    if group.world_size > 1:
        module = DistributedDataParallel(module, find_unused_parameters=bool(entry.extra_tasks))
    if options.compile:
        check_compiler(device)
        module.compile()

    loader = make_loader(
        dataset,
        plan.list_positions(state.step, recipe.iterations),
        batch_size=plan.images_per_pass,
        num_workers=options.num_workers,
        pin_memory=device.type == "cuda",
    )
    evaluator = Evaluator(recipe, entry, data, folder, group)
    meter = Meter(recipe.batch_size, recipe.iterations, device)
    saved_s = time.monotonic()

    with ExitStack() as stack:
        log = TrainingLog(folder, state.step, options) if is_first else None
        if log:
            stack.enter_context(log)
        batches = stack.enter_context(closing(iter(loader)))
        while state.step < recipe.iterations:
            meter.begin()
            # Dropout, like everything else, depends on the seed and the step alone.
            torch.manual_seed(_mix(recipe.seed, state.step, group.rank))
            rate = compute_learning_rate(recipe, state.step)
            set_learning_rate(state.optimizer, rate)

            # Forwards and backwards, in as many passes as the memory needs.
            state.optimizer.zero_grad()
            losses: dict[str, Tensor] = {}
            positions: list[int] = []
            for number in range(plan.num_passes):
                with meter.waiting():
                    batch: Batch = next(batches)
                positions += batch.positions.tolist()
                batch = batch.to(device)
                images = normalize(batch, entry.preprocessing)
                is_last = number == plan.num_passes - 1
                skips = _skip_sync(module, skip=not is_last)
                with skips, _autocast(device, options), _explain_compile_errors(options):
                    found = module(images, batch.labels.long())
                    (found["loss"] / plan.num_passes).backward()
                for name, loss in found.items():
                    losses[name] = losses.get(name, 0) + loss.detach() / plan.num_passes
            limit = recipe.optimizer.clip_norm or float("inf")
            norm = clip_grad_norm_(network.parameters(), limit)

            # A step that is not finite cannot be undone, so look before it is made.
            stop = torch.tensor(float(job.should_stop()), device=device)
            numbers = group.sum(torch.stack([*losses.values(), norm, stop])).tolist()
            if not np.isfinite(numbers).all():
                raise _not_finite(state, dataset, positions)
            state.optimizer.step()
            state.step += 1
            if state.average:
                state.average.update(network, state.step)
            meter.end()

            # What the run shows and keeps.
            is_stopped, is_over = numbers[-1] > 0, state.step == recipe.iterations
            is_scored = is_over or state.step % recipe.evaluation.interval == 0
            scores = evaluator.evaluate(state) if is_scored else {}
            if log:
                means = [value / group.world_size for value in numbers[:-1]]
                named = dict(zip([*losses, "grad_norm"], means, strict=True))
                snapshot = meter.make_snapshot(state, named["loss"], rate, evaluator.last)
                scored = {"scores": scores} if scores else {}
                log.write(state.step, {**named, "lr": rate, **snapshot.speed, **scored})
                view.update(snapshot)
                is_due = time.monotonic() - saved_s > _SAVE_INTERVAL_S
                if is_scored or is_stopped or is_due:
                    state.save(folder.last)
                    saved_s = time.monotonic()
            if is_stopped:
                break
    return state


def _mix(*numbers: int) -> int:
    """Return a seed for a combination of numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _identify(frames: LabeledFrames) -> str:
    """Return what identifies the training frames and their order."""
    names = "\n".join(frame.name for frame in frames)
    return hashlib.sha256(names.encode()).hexdigest()


def _skip_sync(module: nn.Module, *, skip: bool) -> AbstractContextManager[None]:
    """Leave the gradients of a pass on this process; those of the last pass are averaged."""
    if skip and isinstance(module, DistributedDataParallel):
        context: AbstractContextManager[None] = module.no_sync()
        return context
    return nullcontext()


def _autocast(device: torch.device, options: TrainOptions) -> AbstractContextManager[None]:
    is_half = options.precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16) if is_half else nullcontext()


def _explain_compile_errors(options: TrainOptions) -> AbstractContextManager[None]:
    return explain_compile_errors() if options.compile else nullcontext()


def _not_finite(state: TrainingState, dataset: TrainingSet, positions: list[int]) -> BddsegError:
    files = ", ".join(str(dataset.get_frame(position).image) for position in positions)
    return BddsegError(
        f"The loss or a gradient is not a finite number in step {state.step + 1:,}; frames of this "
        f"process: {files}.",
        "Look at these frames and their labels. If they are good, use a lower learning rate "
        "(--set optimizer.lr=...) or gradient clipping (--set optimizer.clip_norm=1.0).",
    )
