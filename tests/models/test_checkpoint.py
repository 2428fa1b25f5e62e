import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bddseg.errors import BddsegError
from bddseg.models.checkpoint import load_weights, read_checkpoint


@pytest.fixture
def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def same(network, state):
    own = network.state_dict()
    return own.keys() == state.keys() and all(torch.equal(own[key], state[key]) for key in own)


def test_reads_what_openmmlab_wrote(network, tmp_path):
    state = network.state_dict()
    content = {"meta": {"epoch": 1, "CLASSES": ["a"]}, "state_dict": state, "optimizer": {"lr": 1}}
    torch.save(content, tmp_path / "w.pth")
    assert same(network, read_checkpoint(tmp_path / "w.pth"))


def test_reads_a_bare_state_dict_and_drops_the_data_parallel_prefix(network, tmp_path):
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    assert same(network, read_checkpoint(tmp_path / "w.pth"))


def test_reads_safetensors_and_loads_half_precision(network, tmp_path):
    state = {key: value.half() for key, value in network.state_dict().items()}
    state["1.num_batches_tracked"] = network.state_dict()["1.num_batches_tracked"]
    save_file(state, tmp_path / "w.safetensors")
    load_weights(network, tmp_path / "w.safetensors")
    assert network[0].weight.dtype == torch.float32
    assert torch.equal(network[0].weight, state["0.weight"].float())


def test_lists_missing_surplus_and_misshapen_parameters_and_changes_nothing(network, tmp_path):
    state = {key: value.clone() + 1 for key, value in network.state_dict().items()}
    del state["1.bias"]
    state["2.weight"] = torch.zeros(1)
    state["0.weight"] = torch.zeros(5, 3, 3, 3)
    torch.save(state, tmp_path / "w.pth")
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(BddsegError) as caught:
        load_weights(network, tmp_path / "w.pth")
    message = str(caught.value)
    assert "w.pth holds weights of another architecture" in message
    assert "1 parameters missing: 1.bias." in message
    assert "1 parameters surplus: 2.weight." in message
    assert "0.weight 5x3x3x3 instead of 4x3x3x3" in message
    assert same(network, before)


class Bomb:
    def __reduce__(self):
        return (print, ("code ran",))


def test_refuses_a_pickle_that_would_run_code(tmp_path, capsys):
    torch.save({"state_dict": {}, "meta": Bomb()}, tmp_path / "w.pth")
    with pytest.raises(BddsegError, match="could run code"):
        read_checkpoint(tmp_path / "w.pth")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "data", [b"", b"not a checkpoint", b"PK\x03\x04 cut", pickle.dumps([1, 2], protocol=2)]
)
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_names_a_damaged_file(tmp_path, data, name):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BddsegError, match=name):
        read_checkpoint(tmp_path / name)


def test_names_a_missing_file(tmp_path):
    with pytest.raises(BddsegError, match=r"no weights file .*w\.pth"):
        read_checkpoint(tmp_path / "w.pth")


def test_refuses_a_file_without_tensors(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(BddsegError, match="no table of named tensors"):
        read_checkpoint(tmp_path / "w.pth")
