"""`market simulate ranking` over the command line: figures, tables, JSON, and what is refused."""

import json
import re
from pathlib import Path

import pytest

from market.cli.main import run


def test_the_trial_prints_json_and_draws_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """R42: without any database, and without anything from another host in the drawings."""
    status = run(
        ["simulate", "ranking", "--seeds", "2", "--tuning", "1", "--schools", "40",
         "--figures", str(tmp_path), "--json"]
    )  # fmt: skip
    out, err = capsys.readouterr()
    found = json.loads(out)

    assert status == 0
    assert set(found["schools"]["40"]["ours"]) >= {"kendall_tau", "months_to_exit"}
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {"ranking-order.svg", "ranking-exit.svg", "ranking-calibration.svg"}
    assert err.count("drawn: ") == 3
    for path in tmp_path.iterdir():
        svg = path.read_text(encoding="utf-8")
        assert svg.startswith("<svg") and "aria-label" in svg
        assert re.findall(r'(?:href|src)="http', svg) == []


def test_a_table_for_people_names_seeds_and_methods(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "ranking", "--seeds", "1", "--tuning", "1", "--schools", "30"]) == 0
    out = capsys.readouterr().out

    assert "held-out seeds 1-1, tuned on 1001-1001" in out
    assert re.search(r"^bayesian_average +0\.\d{3}", out, re.MULTILINE)


def test_a_folder_that_can_not_be_written_is_named_before_the_trial(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("market.cli.ranking_trial.run_trial")
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert run(["simulate", "ranking", "--figures", str(tmp_path / "file" / "x")]) == 1
    assert "can't be written" in capsys.readouterr().err


@pytest.mark.parametrize("sizes", ["5", "x", "50,", "50,100000"])
def test_a_number_of_schools_that_can_not_be_is_named(
    sizes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", "ranking", "--schools", sizes]) == 1
    assert "--schools" in capsys.readouterr().err
