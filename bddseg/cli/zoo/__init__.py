"""`bddseg zoo`: the models and their published files."""

from bddseg.cli.general import make_group
from bddseg.cli.zoo.download import download_files
from bddseg.cli.zoo.list import list_models
from bddseg.cli.zoo.path import show_path
from bddseg.cli.zoo.remove import remove_files
from bddseg.cli.zoo.show import show_model
from bddseg.cli.zoo.verify import verify_files

app = make_group(
    "The models of the zoo, their scores and their weights.",
    {
        "list": list_models,
        "show": show_model,
        "download": download_files,
        "verify": verify_files,
        "path": show_path,
        "remove": remove_files,
    },
)
