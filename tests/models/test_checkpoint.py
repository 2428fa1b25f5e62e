import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from bddseg.errors import BddsegError
from bddseg.models.checkpoint import load_weights, read_checkpoint


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def is_same(network: nn.Module, state: Mapping[str, Tensor]) -> bool:
    own = network.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[key], state[key]) for key in own)


def test_reads_what_openmmlab_wrote(network: nn.Sequential, tmp_path: Path) -> None:
    state = network.state_dict()
    content = {"meta": {"epoch": 1, "CLASSES": ["a"]}, "state_dict": state, "optimizer": {"lr": 1}}
    torch.save(content, tmp_path / "w.pth")
    assert is_same(network, read_checkpoint(tmp_path / "w.pth"))


def test_reads_a_bare_state_dict_and_drops_the_data_parallel_prefix(
    network: nn.Sequential, tmp_path: Path
) -> None:
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    assert is_same(network, read_checkpoint(tmp_path / "w.pth"))


def test_reads_safetensors_and_loads_half_precision(network: nn.Sequential, tmp_path: Path) -> None:
    state = {key: value.half() for key, value in network.state_dict().items()}
    state["1.num_batches_tracked"] = network.state_dict()["1.num_batches_tracked"]
    save_file(state, tmp_path / "w.safetensors")
    load_weights(network, tmp_path / "w.safetensors")
    assert network[0].weight.dtype == torch.float32
    assert torch.equal(network.state_dict()["0.weight"], state["0.weight"].float())


def test_lists_missing_unexpected_and_misshapen_parameters_and_changes_nothing(
    network: nn.Sequential, tmp_path: Path
) -> None:
    state = {key: value.clone() + 1 for key, value in network.state_dict().items()}
    del state["1.bias"]
    state["2.weight"] = torch.zeros(1)
    state["0.weight"] = torch.zeros(5, 3, 3, 3)
    torch.save(state, tmp_path / "w.pth")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(BddsegError) as caught:
        load_weights(network, tmp_path / "w.pth")
    message = str(caught.value)
    assert "w.pth contains weights of another architecture" in message
    assert "1 missing parameter: 1.bias." in message
    assert "1 unexpected parameter: 2.weight." in message
    assert "1 misshapen parameter: 0.weight 5x3x3x3 instead of 4x3x3x3" in message
    assert is_same(network, before)


class RunsCode:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("code ran",))


def test_refuses_a_pickle_that_would_run_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": {}, "meta": RunsCode()}, tmp_path / "w.pth")
    with pytest.raises(BddsegError, match="could run code"):
        read_checkpoint(tmp_path / "w.pth")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a checkpoint",
        b"import torch\n" * 100,
        b"<html>",
        b"PK\x03\x04 cut",
        pickle.dumps([1, 2], protocol=2),
        b"\x80\x02}q\x00X\xff\xff\xff\x7fa",
    ],
)
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_names_a_damaged_file(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BddsegError, match=name) as caught:
        read_checkpoint(tmp_path / name)
    # torch advises to read it without checks.
    assert "weights_only" not in str(caught.value)
    assert "could run code" not in str(caught.value)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_damaged_archive_is_refused_whatever_torch_raises(
    network: nn.Sequential, tmp_path: Path, is_zip: bool
) -> None:
    path = tmp_path / "w.pth"
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=is_zip)
    data = path.read_bytes()
    for position in range(0, len(data), len(data) // 100):
        for changed in (data[:position], data[:position] + b"\xff\x00" + data[position + 2 :]):
            path.write_bytes(changed)
            with suppress(BddsegError):
                read_checkpoint(path)


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.pth")
    with pytest.raises(BddsegError, match=r"w\.pth is not a file"):
        read_checkpoint(tmp_path / "w.pth")


ONE = torch.tensor([1])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (Tensor.to_sparse, "is sparse or nested"),
        (lambda tensor: tensor.to("meta"), "has no data"),
        (lambda tensor: tensor.to(torch.complex64), "is complex64"),
        (lambda tensor: tensor.to(torch.int8), "is int8 instead of float32"),
        (lambda tensor: tensor.to(torch.float8_e4m3fn), "is float8_e4m3fn instead of float32"),
        (lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8), "is qint8"),
        (lambda tensor: tensor / 0, "contains NaN or infinity"),
        (lambda tensor: tensor.clone().index_fill_(0, ONE, torch.nan), "contains NaN or infinity"),
    ],
)
def test_a_tensor_that_cannot_be_used_is_named(
    network: nn.Sequential, tmp_path: Path, change: Callable[[Tensor], Tensor], problem: str
) -> None:
    before = {key: value.clone() for key, value in network.state_dict().items()}
    torch.save(before | {"0.weight": change(before["0.weight"])}, tmp_path / "w.pth")
    with pytest.raises(BddsegError, match=rf"1 unusable parameter: 0\.weight {problem}"):
        load_weights(network, tmp_path / "w.pth")
    assert is_same(network, before)


def test_a_compressed_archive_that_expands_is_refused_before_memory_is_used(
    tmp_path: Path,
) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.zeros(25_000_000)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    (tmp_path / "plain.pth").unlink()
    # The highest use of memory counts from here.
    Path("/proc/self/clear_refs").write_text("5")
    before = read_peak_bytes()
    with pytest.raises(BddsegError, match=r"its .* bytes expand to 100,"):
        read_checkpoint(path)
    assert read_peak_bytes() - before < 20_000_000


def read_peak_bytes() -> int:
    """Return the highest resident memory of this process."""
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def test_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BddsegError, match=r"no weights file .*w\.pth"):
        read_checkpoint(tmp_path / "w.pth")


def test_refuses_a_file_without_tensors(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(BddsegError, match="contains no state dict"):
        read_checkpoint(tmp_path / "w.pth")
