"""`bddseg labels`: check and convert label files."""

from bddseg.cli.general import make_group
from bddseg.cli.labels.check import check_labels
from bddseg.cli.labels.convert import convert

app = make_group("Check and convert label files.", {"check": check_labels, "convert": convert})
