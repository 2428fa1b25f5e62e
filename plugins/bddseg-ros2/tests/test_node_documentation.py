"""The README says what is true: tables, commands and the launch file."""

import json
import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from bddseg_ros2.help import TOPICS
from bddseg_ros2.node import main
from bddseg_ros2.parameters import PARAMETERS, read_parameters

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)
COMMANDS = [
    shlex.split(line, comments=True)
    for language, code in BLOCKS
    for line in code.replace("\\\n", " ").splitlines()
    if language == "shell" and "bddseg_ros2 --ros-args" in line
]


def parse(words: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the parameters and the remappings of a command line."""
    pairs = pairwise(words)
    rules = [(option, *rule.split(":=")) for option, rule in pairs if option in ("-p", "-r")]
    parameters = {name: read_value(value) for option, name, value in rules if option == "-p"}
    return parameters, {name: value for option, name, value in rules if option == "-r"}


def read_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_have_parameters_that_exist(words: list[str]) -> None:
    assert words[:4] == [".venv/bin/python", "-m", "bddseg_ros2", "--ros-args"]
    parameters, topics = parse(words)
    read_parameters(parameters)
    assert topics.keys() == {"image"}


def test_commands_are_found() -> None:
    assert len(COMMANDS) == 3


def test_the_table_of_parameters_is_theirs() -> None:
    rows = [
        f"| `{name}` | {format_default(default)} | {text} |"
        for name, (default, text) in PARAMETERS.items()
    ]
    header = "| parameter | default | what |\n|---|---|---|\n"
    assert header + "\n".join(rows) + "\n\n" in README


def format_default(value: Any) -> str:
    text = json.dumps(value).strip('"')
    return f"`{text}`" if text else ""


def test_the_table_of_topics_is_theirs() -> None:
    rows = [f"| `{name}` | {kind} | {quality} | {text} |" for name, kind, quality, text in TOPICS]
    header = "| topic | type | quality of service | what |\n|---|---|---|---|\n"
    assert header + "\n".join(rows) + "\n\n" in README


def test_the_launch_file_starts_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    # The package index has no wheel of ROS's package launch.
    launch, actions = ModuleType("launch"), ModuleType("launch.actions")
    vars(launch)["LaunchDescription"] = list
    vars(actions)["ExecuteProcess"] = lambda **options: SimpleNamespace(**options)
    monkeypatch.setitem(sys.modules, "launch", launch)
    monkeypatch.setitem(sys.modules, "launch.actions", actions)
    (code,) = (code for language, code in BLOCKS if language == "python")
    names: dict[str, Any] = {}
    exec(code, names)
    (process,) = names["generate_launch_description"]()
    assert process.cmd[1:4] == ["-m", "bddseg_ros2", "--ros-args"]
    read_parameters(parse(process.cmd)[0])
    assert main([*process.cmd[3:], "--help"]) == 0
