import json
from pathlib import Path

from support import Run


def test_the_path_is_printed_only_if_the_file_exists(
    cached: list[Path], models: tuple[str, ...], run: Run
) -> None:
    assert run("zoo", "path", models[0])[:2] == (0, f"{cached[0]}\n")
    code, out, err = run("zoo", "path", "pspnet_r101-d8_512x1024_80k")
    assert (code, out) == (1, "")
    assert "bddseg zoo download pspnet_r101-d8_512x1024_80k" in err
    shown = json.loads(run("zoo", "path", "pspnet_r101-d8_512x1024_80k", "--json")[1])
    assert shown["cached"] is False
