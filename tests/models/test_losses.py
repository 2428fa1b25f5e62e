import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bddseg.errors import BddsegError
from bddseg.models.losses import LOSSES, Loss
from bddseg.models.options import call_with_options

K = 3


def make_batch() -> tuple[Tensor, Tensor]:
    """Return logits (2, 3, 8, 12) with gradients, and labels with ignored pixels."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((2, K, 8, 12), generator=generator).requires_grad_()
    labels = torch.randint(0, K, (2, 8, 12), generator=generator)
    labels[:, :3] = 255
    return logits, labels


def build(name: str, **options: object) -> Loss:
    return call_with_options(LOSSES.load(name), options, "loss.options")


def test_cross_entropy_counts_ignored_pixels_in_the_denominator() -> None:
    logits, labels = make_batch()
    summed = F.cross_entropy(logits, labels, ignore_index=255, reduction="sum")
    torch.testing.assert_close(build("cross_entropy")(logits, labels), summed / labels.numel())


def test_class_weights_multiply_the_pixels_of_a_class() -> None:
    logits, labels = make_batch()
    losses = F.cross_entropy(logits, labels, ignore_index=255, reduction="none")
    weights = torch.where(labels == 1, 4.0, 1.0)
    found = build("cross_entropy", class_weights=[1.0, 4.0, 1.0])(logits, labels)
    torch.testing.assert_close(found, (losses * weights).mean())


def test_focal_loss_is_the_sum_over_classes_of_the_binary_one() -> None:
    logits, labels = make_batch()
    kept = labels != 255
    expected = torch.zeros(())
    for class_id in range(K):
        predicted = logits[:, class_id][kept].sigmoid()
        is_class = labels[kept] == class_id
        right = torch.where(is_class, predicted, 1 - predicted)
        alpha = torch.where(is_class, 0.25, 0.75)
        expected = expected + (-alpha * (1 - right) ** 2 * right.log()).mean()
    torch.testing.assert_close(build("focal")(logits, labels), expected)


def test_tversky_loss_weighs_false_positives_and_false_negatives() -> None:
    logits, labels = make_batch()
    kept = labels != 255
    probabilities = logits.softmax(1).movedim(1, -1)[kept]
    losses = []
    for class_id in range(K):
        predicted, truth = probabilities[:, class_id], (labels[kept] == class_id).float()
        tp = (predicted * truth).sum()
        fp, fn = predicted.sum() - tp, truth.sum() - tp
        losses.append(1 - tp / (tp + 0.7 * fp + 0.3 * fn))
    expected = torch.stack(losses).mean() ** (4 / 3)
    found = build("tversky", alpha=0.7, beta=0.3, gamma=4 / 3)(logits, labels)
    torch.testing.assert_close(found, expected)


def test_a_class_that_is_not_in_the_labels_adds_nothing_to_the_tversky_loss() -> None:
    logits = torch.zeros((1, K, 4, 4))
    logits[:, 0] = 100
    assert build("tversky")(logits, torch.zeros((1, 4, 4), dtype=torch.int64)) == 0


def test_a_sum_weighs_its_losses() -> None:
    logits, labels = make_batch()
    tables = [{"name": "focal", "gamma": 3.0}, {"name": "tversky", "weight": 0.5, "alpha": 0.7}]
    expected = build("focal", gamma=3.0)(logits, labels) + 0.5 * build("tversky", alpha=0.7)(
        logits, labels
    )
    torch.testing.assert_close(build("sum", losses=tables)(logits, labels), expected)


@pytest.mark.parametrize("name", LOSSES.list_names())
def test_ignored_pixels_have_no_gradient_and_others_do(name: str) -> None:
    logits, labels = make_batch()
    options = {"losses": [{"name": "cross_entropy"}]} if name == "sum" else {}
    build(name, **options)(logits, labels).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert not logits.grad[:, :, :3].any()
    assert logits.grad[:, :, 3:].abs().amin() > 0


@pytest.mark.parametrize("name", LOSSES.list_names())
def test_a_batch_without_labels_has_a_loss_of_0_and_no_gradient(name: str) -> None:
    logits, labels = make_batch()
    options = {"losses": [{"name": "cross_entropy"}]} if name == "sum" else {}
    loss = build(name, **options)(logits, labels.fill_(255))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("name", LOSSES.list_names())
def test_logits_in_half_precision_give_a_loss_in_float32(name: str) -> None:
    logits, labels = make_batch()
    options = {"losses": [{"name": "cross_entropy"}]} if name == "sum" else {}
    loss = build(name, **options)(logits.bfloat16(), labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, build(name, **options)(logits, labels), rtol=0.01, atol=0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cross_entropi", {}, "There is no loss named 'cross_entropi'. Did you mean cross_entropy"),
        ("focal", {"gama": 2.0}, "loss.options.gama is not a known key. Known keys: alpha, gamma"),
        ("focal", {"alpha": 1.5}, "loss.options.alpha is 1.5"),
        ("cross_entropy", {"class_weights": [-1.0]}, r"loss.options.class_weights is \[-1.0\]"),
        ("sum", {"losses": []}, "loss.options.losses is empty"),
        ("sum", {"losses": [{"weight": 1.0}]}, r"loss.options.losses\[0\].name is missing"),
        (
            "sum",
            {"losses": [{"name": "focal", "gama": 1.0}]},
            r"loss.options.losses\[0\].gama is not a known key",
        ),
    ],
)
def test_an_option_that_does_not_fit_is_named(
    name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(BddsegError, match=message):
        build(name, **options)


def test_another_number_of_class_weights_than_of_classes_is_an_error() -> None:
    message = r"class_weights .* has 2 numbers: \[1.0, 4.0\]. Give 3 numbers, one for each class"
    with pytest.raises(BddsegError, match=message):
        build("cross_entropy", class_weights=[1.0, 4.0])(*make_batch())
