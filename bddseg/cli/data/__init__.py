"""`bddseg data`: check frames and labels before training."""

from bddseg.cli.data.check import check
from bddseg.cli.general import make_group

app = make_group("Check frames and labels before training.", {"check": check})
