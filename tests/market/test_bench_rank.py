"""The benchmark of the ranking at its smallest: a month is closed, then ranked."""

from pathlib import Path

import pytest

from kernel.settings import Settings
from market.bench.rank import bench_rank


def test_a_ranking_is_told_as_a_ratio_to_the_close_of_its_month(
    tmp_path: Path, server: str
) -> None:
    settings = Settings.load({"MARKET_HOME": str(tmp_path), "MARKET_SECRET_KEY": "test"})
    said: list[str] = []

    found = bench_rank(
        settings, server, events=8_000, vendors=5, cells=2, rounds=1, say=said.append
    )

    assert found["scored"]["vendor"] == 5 and found["scored"]["school_rows"] >= 10
    rounded = 0.001 / found["close_s"]  # seconds are told in thousandths
    ratio = found["score_s"] / found["close_s"]
    assert found["score_ratio"] == pytest.approx(ratio, rel=0.01, abs=rounded)
    ratio = found["rank_s"] / found["close_s"]
    assert found["rank_ratio"] == pytest.approx(ratio, rel=0.01, abs=rounded)
    assert len(said) == 2
