"""`bddseg zoo path`: the path of a model's weights, for scripts."""

from bddseg.cli.console import show, show_json
from bddseg.cli.options import AsJson, ModelName
from bddseg.errors import BddsegError, quote
from bddseg.io.read import is_file
from bddseg.zoo.cache import get_weights_path
from bddseg.zoo.catalog import find_entry


def show_path(model: ModelName, as_json: AsJson = False) -> None:
    """Print the path of a model's weights; exit code 1 if they are not on this machine.

    Examples:
      bddseg zoo path pspnet_r50-d8_512x1024_40k
      bddseg zoo path MODEL.toml --json
    """
    path = get_weights_path(find_entry(model))
    if as_json:
        show_json({"path": str(path), "cached": is_file(path)})
    elif is_file(path):
        show(str(path))
    else:
        raise BddsegError(
            f"{path} does not exist.", f"Download it: bddseg zoo download {quote(model)}"
        )
