"""Quantizing a network with NNCF, and choosing the layers that are int8."""

import io
import logging
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from math import prod
from typing import Any

from bddseg.errors import BddsegError
from bddseg.inference.runtimes.openvino import compile_on_cpu
from bddseg.specs import Precision

# Consecutive layers become int8 together, in groups of about as many multiplications. There are
# fewer groups where one layer has more than its share.
NUM_GROUPS = 16
_TELEMETRY = "openvino_telemetry"
# A ResNet-50 needs more than the 1,000 of Python.
_RECURSION_LIMIT = 20_000
_FAKE_QUANTIZE = "FakeQuantize"
# Layers that do most of the work: products with weights, or of two maps.
_HEAVY = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
# They move values, and keep their precision.
_DATA_MOVEMENT = ("Concat", "Reshape", "Transpose")


class QuantizedLayers:
    """A network of which each group of layers can be int8 or not.

    A layer of a network is int8 where `FakeQuantize` operations are at its inputs: OpenVINO
    computes such layers in int8 when it compiles the model.

    Args:
        model: An `openvino.Model` with `FakeQuantize` operations.

    Attributes:
        multiplications: Number of multiplications in each group.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        layers = _list_layers(model)
        groups = _group_layers(layers)
        self._groups = [[each for layer in group for each in layer.inputs] for group in groups]
        self.multiplications = [sum(layer.multiplications for layer in group) for group in groups]

    def __len__(self) -> int:
        return len(self._groups)

    def make(self, unquantized: Collection[int]) -> Any:
        """Return a model in which all groups but these are int8, with int8 weights."""
        from openvino._offline_transformations import compress_quantize_weights_transformation

        model = self._model.clone()
        operations = {each.get_friendly_name(): each for each in model.get_ops()}
        inputs = [each for number in unquantized for each in self._groups[number]]
        for name, index in inputs:
            # Of this input alone: other layers may take the same map in int8.
            target = operations[name].input(index)
            target.replace_source_output(target.get_source_output().get_node().input_value(0))
        model.validate_nodes_and_infer_types()
        compress_quantize_weights_transformation(model)
        return model


def list_int8_layers(model: Any, precision: Precision = "fp32") -> tuple[list[str], int]:
    """Return the names of the layers that OpenVINO computes in int8, and how many layers there are.

    Layers are convolutions and matrix products.

    Args:
        model: An `openvino.Model`.
        precision: That of the layers which are not int8.
    """
    precisions = {}
    for operation in compile_on_cpu(model, precision).get_runtime_model().get_ops():
        known = operation.get_rt_info()
        for name in known["originalLayersNames"].astype(str).split(","):
            precisions[name] = known["runtimePrecision"].astype(str)
    layers = [each for each in model.get_ordered_ops() if each.get_type_name() in _HEAVY]
    names = [each.get_friendly_name() for each in layers]
    int8 = [name.split("/")[0] for name in names if precisions.get(name) in ("i8", "u8")]
    return int8, len(names)


@dataclass(frozen=True, slots=True)
class _Layer:
    """An operation with `FakeQuantize` at its inputs, or before a concatenation or the like there.

    Attributes:
        inputs: The inputs that `FakeQuantize` operations are connected to: each is the name of an
            operation, and the number of its input.
        multiplications: Number of multiplications; 0 for sums and the like.
    """

    inputs: list[tuple[str, int]]
    multiplications: int


def _list_layers(model: Any) -> list[_Layer]:
    """Return the quantized layers from the model's input to its output."""
    operations = model.get_ordered_ops()
    positions = {each.get_friendly_name(): number for number, each in enumerate(operations)}
    inputs: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    for operation in operations:
        if operation.get_type_name() != _FAKE_QUANTIZE:
            continue
        for target in operation.output(0).get_target_inputs():
            node = target.get_node()
            layer = min(positions[each.get_friendly_name()] for each in _list_consumers(node))
            inputs[layer].append((node.get_friendly_name(), target.get_index()))
    return [
        _Layer(inputs[number], _count_multiplications(operations[number]))
        for number in sorted(inputs)
    ]


def _list_consumers(node: Any) -> Iterator[Any]:
    """Return the operations that compute with a node's inputs: itself, or those behind it."""
    if node.get_type_name() not in _DATA_MOVEMENT:
        yield node
        return
    for target in node.output(0).get_target_inputs():
        yield from _list_consumers(target.get_node())


def _count_multiplications(operation: Any) -> int:
    kind = operation.get_type_name()
    if kind not in _HEAVY:
        return 0
    first, second = (_get_shape(operation.input(number)) for number in range(2))
    out = _get_shape(operation.output(0))
    if kind == "MatMul":
        return prod(out) * first[-1]
    # Weights are (output channels, input channels, h, w), of several groups (groups, ...), and
    # those of a transposed convolution (input channels, output channels, h, w).
    if kind == "ConvolutionBackpropData":
        return prod(first) * prod(second[1:])
    return prod(out) * prod(second[2 if kind == "GroupConvolution" else 1 :])


def _group_layers(layers: Sequence[_Layer]) -> list[list[_Layer]]:
    """Return groups of consecutive layers, of about as many multiplications each."""
    total = sum(layer.multiplications for layer in layers) or 1
    groups: defaultdict[int, list[_Layer]] = defaultdict(list)
    done = 0
    for layer in layers:
        middle = (done + layer.multiplications / 2) / total
        # What comes after the last multiplication is in the last group.
        groups[min(int(NUM_GROUPS * middle), NUM_GROUPS - 1)].append(layer)
        done += layer.multiplications
    return [*groups.values()]


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
