"""A metric of a plugin appears everywhere: tables, CSV, conditions, comparison and JSON."""

import csv
import json
from pathlib import Path

import pytest
from metrics.helpers import write_masks
from support import RunInstalled, install_stub

CODE = """
from bddseg.metrics.metric import ConfusionMetric, Headline, MetricTable


class Specificity(ConfusionMetric):
    @property
    def table(self):
        headline = Headline(key="mean", heading="mean", path=("mean", "specificity"))
        return MetricTable(
            title="Specificity: the share of other pixels that are not given the class.",
            columns={"specificity": "specificity"},
            headlines=(headline,),
        )

    def compute(self):
        values = {}
        for index, name in enumerate(self.task.classes):
            negatives = self.counts.sum() - self.counts[index].sum()
            false_positives = self.counts[:, index].sum() - self.counts[index, index]
            share = 1 - false_positives / negatives if negatives else float("nan")
            values[name] = {"specificity": float(100 * share)}
        mean = sum(each["specificity"] for each in values.values()) / len(values)
        return {"classes": values, "mean": {"specificity": mean}, "overall": {}}


class Incomplete:
    def update(self, pair): ...
"""
POINTS = """
[bddseg.metrics]
specificity = specificity_module:Specificity
incomplete = specificity_module:Incomplete
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    install_stub(tmp_path / "plugins", "specificity", CODE, POINTS)
    return tmp_path / "plugins"


@pytest.fixture
def command(tmp_path: Path) -> tuple[object, ...]:
    paths = write_masks(
        tmp_path,
        ground_truth={"a": [[0, 0, 1, 1, 2, 2]], "b": [[0, 1, 2, 2, 2, 2]]},
        predictions={"a": [[0, 0, 1, 1, 2, 0]], "b": [[0, 1, 2, 2, 2, 2]]},
    )
    return ("-m", "bddseg", "eval", "-g", paths[0], "-r", paths[1], "--metric", "specificity")


def test_tables_csv_conditions_and_json_have_it(
    tmp_path: Path, plugin: Path, command: tuple[object, ...], run_installed: RunInstalled
) -> None:
    frames = [{"name": name, "attributes": {"scene": name}} for name in "ab"]
    (tmp_path / "labels.json").write_text(json.dumps(frames))
    table = tmp_path / "frames.csv"
    options = ("--by", "scene", "--attributes", tmp_path / "labels.json", "--per-image", table)
    shown = run_installed(plugin, *command, *options)
    assert shown.returncode == 0, shown.stderr
    assert "Specificity: the share of other pixels" in shown.stdout
    assert "specificity mean" in shown.stdout.partition("By condition")[2]
    bad, good = csv.DictReader(table.read_text().splitlines())
    assert (bad["specificity.classes.direct.specificity"], good["specificity_mean"]) == (
        "75.0000",
        "100.0000",
    )
    again = run_installed(plugin, *command, *options, "--overwrite", "--json")
    content = json.loads(again.stdout)
    direct = content["scores"]["specificity"]["classes"]["direct"]["specificity"]
    assert direct == pytest.approx(100 * (1 - 1 / 9))
    assert [row["specificity_mean"] for row in content["by"]][1] == 100


def test_a_comparison_has_it(
    plugin: Path, command: tuple[object, ...], run_installed: RunInstalled
) -> None:
    ground_truth = command[command.index("-g") + 1]
    compared = run_installed(plugin, *command, "-r", ground_truth)
    assert compared.returncode == 0, compared.stderr
    rows = [line for line in compared.stdout.splitlines() if line.startswith("specificity mean")]
    assert len(rows) == 2
    first, second = json.loads(run_installed(plugin, *command, "-r", ground_truth, "--json").stdout)
    gap = second["headlines"]["specificity_mean"] - first["headlines"]["specificity_mean"]
    assert second["difference"]["specificity_mean"]["value"] == pytest.approx(gap)


def test_it_fulfils_the_contracts(plugin: Path, run_installed: RunInstalled) -> None:
    code = (
        "from bddseg.metrics.metric import METRICS\n"
        "from bddseg.testing import METRIC_CONTRACTS\n"
        "for contract in METRIC_CONTRACTS: contract(METRICS.load('specificity'))"
    )
    result = run_installed(plugin, "-c", code)
    assert result.returncode == 0, result.stderr


def test_an_incomplete_metric_is_refused_with_what_it_lacks(
    plugin: Path, command: tuple[object, ...], run_installed: RunInstalled
) -> None:
    result = run_installed(plugin, *command[:-1], "incomplete")
    assert result.returncode == 1
    assert "the class Incomplete has no supports, table, merge, compute" in result.stderr
    assert "pip uninstall specificity" in result.stderr
