"""`bddseg plugins`: what installed packages add, and starting a new one."""

from bddseg.cli.general import make_group
from bddseg.cli.plugins.list import list_plugins
from bddseg.cli.plugins.new import create_plugin

app = make_group(
    "Plugins: list what installed packages add; start a new one.",
    {"list": list_plugins, "new": create_plugin},
)
