"""Quantizing a network with NNCF, and choosing the layers that stay in fp32."""

import io
import logging
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from itertools import pairwise
from typing import Any

from bddseg.errors import BddsegError

# Groups of consecutive layers that become int8 or stay in fp32 together.
NUM_GROUPS = 16
_TELEMETRY = "openvino_telemetry"
# A ResNet-50 needs more than the 1,000 of Python.
_RECURSION_LIMIT = 20_000
_FAKE_QUANTIZE = "FakeQuantize"


class QuantizedLayers:
    """A network of which each group of layers can be int8 or fp32.

    A layer of a network is int8 where `FakeQuantize` operations are at its inputs: OpenVINO
    computes such layers in int8 when it compiles the model.

    Args:
        model: An `openvino.Model` with `FakeQuantize` operations.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._groups = _group_layers(model)

    def __len__(self) -> int:
        return len(self._groups)

    def make(self, fp32: Collection[int]) -> Any:
        """Return a model in which these groups stay in fp32; other weights are stored in int8."""
        from openvino._offline_transformations import compress_quantize_weights_transformation

        model = self._remove(fp32)
        compress_quantize_weights_transformation(model)
        return model

    def list_layers(self, fp32: Collection[int]) -> tuple[list[str], int]:
        """Return the names of the convolutions and products in fp32, and how many there are."""
        layers = [
            each for each in self._remove(fp32).get_ordered_ops() if each.get_type_name() in _HEAVY
        ]
        kept = [each for each in layers if not all(map(_is_quantized, each.input_values()))]
        return [each.get_friendly_name().split("/")[0] for each in kept], len(layers)

    def _remove(self, fp32: Collection[int]) -> Any:
        removed = {name for number in fp32 for name in self._groups[number]}
        model = self._model.clone()
        for operation in model.get_ops():
            if operation.get_friendly_name() in removed:
                operation.output(0).replace(operation.input_value(0))
        model.validate_nodes_and_infer_types()
        return model


_HEAVY = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")


def _is_quantized(value: Any) -> bool:
    node = value.get_node()
    while node.get_type_name() in ("Reshape", "Transpose", "Convert"):
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == _FAKE_QUANTIZE)


def _group_layers(model: Any) -> list[list[str]]:
    """Return the names of the `FakeQuantize` operations of each group, from input to output."""
    positions = {
        operation.get_friendly_name(): number
        for number, operation in enumerate(model.get_ordered_ops())
    }
    by_layer: defaultdict[int, list[str]] = defaultdict(list)
    for operation in model.get_ops():
        if operation.get_type_name() == _FAKE_QUANTIZE:
            layer = min(_list_consumers(operation, positions))
            by_layer[layer].append(operation.get_friendly_name())
    layers = [by_layer[number] for number in sorted(by_layer)]
    count = min(NUM_GROUPS, len(layers))
    edges = [number * len(layers) // count for number in range(count + 1)] if count else [0]
    return [
        [name for layer in layers[start:end] for name in layer] for start, end in pairwise(edges)
    ]


def _list_consumers(operation: Any, positions: dict[str, int]) -> Iterator[int]:
    for target in operation.output(0).get_target_inputs():
        node = target.get_node()
        # Weights of grouped convolutions are reshaped behind their quantization.
        if node.get_type_name() == "Reshape":
            yield from _list_consumers(node, positions)
        else:
            yield positions[node.get_friendly_name()]


def quantize_layers(
    model: Any, images: Sequence[Any], num_classes: Collection[int]
) -> QuantizedLayers:
    """Return a model with int8 layers, their ranges calibrated on images.

    These stay in fp32: depth-wise convolutions, which OpenVINO computes in fp32 anyway; what is
    computed on logits, which takes little time and costs most accuracy; and products without
    weights. Attention is one of these, and its softmax enlarges errors.

    Args:
        model: An `openvino.Model`; it is not changed.
        images: Its inputs, (1, 3, H, W), float32.
        num_classes: Number of channels of its logits.
    """
    nncf = import_nncf()
    model = _fold_constants(model)
    settings = nncf.AdvancedQuantizationParameters(
        disable_bias_correction=True, backend_params={"compress_weights": False}
    )
    with _silence(), _deep_recursion():
        quantized = nncf.quantize(
            model,
            nncf.Dataset(images),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
            ignored_scope=nncf.IgnoredScope(names=_list_fp32(model, num_classes)),
            advanced_parameters=settings,
        )
    return QuantizedLayers(quantized)


def _fold_constants(model: Any) -> Any:
    """Return a model without operations on constants: parts of weights become weights.

    NNCF leaves a convolution in fp32 whose weights are a slice of others.
    """
    from openvino.passes import ConstantFolding, Manager

    folded = model.clone()
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(folded)
    return folded


def _list_fp32(model: Any, num_classes: Collection[int]) -> list[str]:
    """Return the names of the operations that stay in fp32 in any case."""
    logits, names = set(), []
    for operation in model.get_ordered_ops():
        kind, name = operation.get_type_name(), operation.get_friendly_name()
        shape = _get_shape(operation.output(0)) if operation.get_output_size() else ()
        if kind in ("Parameter", "Constant", "Result", "Reshape", "AvgPool"):
            continue
        inputs = {value.get_node().get_friendly_name() for value in operation.input_values()}
        is_logits = len(shape) == 4 and shape[1] in num_classes
        if is_logits:
            logits.add(name)
        if (
            is_logits
            or (kind == "Concat" and inputs & logits)
            or _is_depthwise(operation)
            or _is_product_without_weights(operation)
        ):
            names.append(name)
    return names


def _is_depthwise(operation: Any) -> bool:
    # Weights are (groups, output channels of one, input channels of one, h, w).
    if operation.get_type_name() != "GroupConvolution":
        return False
    return _get_shape(operation.input(1))[1:3] == (1, 1)


def _is_product_without_weights(operation: Any) -> bool:
    # Weights are constants on the right, and multiply tokens, (N, T, C). Products of maps,
    # (N, C, h, w), are attention of several heads, or averages over regions.
    if operation.get_type_name() != "MatMul":
        return False
    right = operation.input_value(1).get_node()
    return right.get_type_name() != "Constant" or len(_get_shape(operation.output(0))) == 4


def _get_shape(port: Any) -> tuple[int, ...]:
    shape = port.get_partial_shape()
    return tuple(shape.to_shape()) if shape.is_static else ()


def import_nncf() -> Any:
    """Return the package NNCF, which tells nobody that it is used.

    Raises:
        BddsegError: it is not installed.
    """
    if sys.modules.get("nncf"):
        return sys.modules["nncf"]
    # Without that package, NNCF sends no messages and writes nothing to the home folder.
    known = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        with _silence():
            import nncf
            import openvino  # noqa: F401
    except ImportError as error:
        raise BddsegError(
            f"Quantizing a network needs {error.name}.",
            "Install it: pip install 'bddseg[quantize]'.",
        ) from error
    finally:
        del sys.modules[_TELEMETRY]
        if known is not None:
            sys.modules[_TELEMETRY] = known
    return nncf


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Let functions call themselves once for each layer of a deep network, as those of NNCF do."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep back the log and the progress bars of NNCF."""
    import warnings

    logger = logging.getLogger("nncf")
    level = logger.level
    logger.setLevel(logging.ERROR)
    sink = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(sink), redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
