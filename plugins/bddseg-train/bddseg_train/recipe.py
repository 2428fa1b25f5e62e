"""A recipe: everything that decides what a training run computes, as data."""

from typing import Annotated, Any, Literal

import msgspec

from bddseg.specs import Name, Size, SizeHW

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A TOML table: unknown keys are errors."""


class Split(_Table, frozen=True):
    """Frames and their ground truth.

    Attributes:
        images: An image, a folder, a glob pattern or a list file, as `bddseg infer` takes them.
        labels: A folder of masks or colormaps, or Scalabel JSON.
    """

    images: str
    labels: str


class Data(_Table, frozen=True):
    """What is trained on, and what is evaluated on.

    Attributes:
        root: A folder in BDD100K's layout (`images/100k/train`, `labels/drivable/masks/train`, and
            `val`), or with `train/images`, `train/masks`, and `val`, or with `images` and `masks`
            alone; used for the splits that are not given.
        train: Frames to train on.
        validation: Frames to evaluate on; none where there are none.
        limit: Use only the first so many training frames.
    """

    root: str = ""
    train: Split | None = None
    validation: Split | None = None
    limit: Size | None = None


class Loss(_Table, frozen=True):
    """What is minimised.

    Attributes:
        name: Name in the registry of losses.
        options: Keywords of the loss.
        auxiliary_weight: Weight of the auxiliary head's loss; the decode head's is 1.
    """

    name: Name = "cross_entropy"
    options: dict[str, Any] = {}
    auxiliary_weight: Annotated[float, msgspec.Meta(ge=0)] = 0.4


class Optimizer(_Table, frozen=True):
    """How parameters follow gradients.

    Attributes:
        name: "sgd" or "adamw".
        lr: Learning rate at the start of the schedule.
        momentum: Momentum of SGD; of AdamW, the first of its betas.
        weight_decay: Weight decay, of all parameters.
        clip_norm: Gradients of a larger L2 norm are scaled down to it.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    lr: Positive
    momentum: Share = 0.9
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    clip_norm: Positive | None = None


class Schedule(_Table, frozen=True):
    """How the learning rate falls: (lr - min_lr) * (1 - step / iterations) ** power + min_lr.

    Attributes:
        power: Exponent; 1 is linear.
        min_lr: Learning rate at the end.
        warmup: The rate rises linearly over so many iterations first.
    """

    power: Annotated[float, msgspec.Meta(ge=0)] = 0.9
    min_lr: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    warmup: Annotated[int, msgspec.Meta(ge=0)] = 0


class Evaluation(_Table, frozen=True):
    """How often the network is scored on the validation frames.

    Attributes:
        interval: Iterations between two evaluations.
        limit: Score only the first so many frames.
        examples: Number of frames whose overlays are kept of each evaluation.
    """

    interval: Size = 4000
    limit: Size | None = None
    examples: Annotated[int, msgspec.Meta(ge=0)] = 4


class Recipe(_Table, frozen=True):
    """Everything that decides what a training run computes.

    Attributes:
        name: Name of the recipe, and of the model that it trains.
        description: One line, for lists.
        model: Model of the zoo, or an entry's TOML file: its network, task and preprocessing.
        init: Initial weights: nothing for random ones, "zoo:NAME" for a model's, "backbone:NAME"
            for one of `bddseg train --list-backbones`, or a checkpoint file.
        data: Frames and labels.
        transforms: Steps from a frame to an input, in this order: of each, `name` in the registry
            of transforms, and its options.
        crop_hw: Size of the inputs; smaller images are padded, at the right and below.
        loss: What is minimised.
        optimizer: How parameters follow gradients.
        schedule: How the learning rate falls.
        iterations: Number of optimizer steps.
        batch_size: Number of images of a step, over all devices.
        ema_decay: Also keep an average of the weights, to which each step adds a share of
            1 - ema_decay; it is evaluated too.
        evaluation: How often the network is scored.
        seed: Seed of initial weights, data order, transforms and dropout.
    """

    name: Name
    description: str = ""
    model: str
    init: str = ""
    data: Data = Data()
    transforms: tuple[dict[str, Any], ...] = ()
    crop_hw: SizeHW
    loss: Loss = Loss()
    optimizer: Optimizer
    schedule: Schedule = Schedule()
    iterations: Size
    batch_size: Size
    ema_decay: Share | None = None
    evaluation: Evaluation = Evaluation()
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
