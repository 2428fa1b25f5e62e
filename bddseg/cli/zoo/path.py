"""`bddseg zoo path`: where a model's weights are, for scripts."""

from bddseg.cli.console import show, show_json
from bddseg.cli.options import AsJson, ModelName
from bddseg.errors import BddsegError


def show_path(model: ModelName, as_json: AsJson = False) -> None:
    """Print the path of a model's weights on this machine; exit code 1 if they are not there."""
    from bddseg.zoo.cache import get_weights_path
    from bddseg.zoo.catalog import find_entry

    path = get_weights_path(find_entry(model))
    if as_json:
        show_json({"path": str(path), "cached": path.is_file()})
    elif path.is_file():
        show(str(path))
    else:
        raise BddsegError(f"{path} is not there.", f"Fetch it: bddseg zoo download {model}")
