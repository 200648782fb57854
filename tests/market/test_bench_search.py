"""The benchmark of search at its smallest: a catalogue is imported, listed and searched."""

from pathlib import Path

import pytest

from kernel.settings import Settings
from market.bench.search import MIX, bench_search

RESOURCES = 200


def test_every_search_of_the_mix_is_told_as_a_ratio(tmp_path: Path, server: str) -> None:
    settings = Settings.load({"MARKET_HOME": str(tmp_path), "MARKET_SECRET_KEY": "test"})
    said: list[str] = []
    found = bench_search(settings, server, resources=RESOURCES, rounds=1, say=said.append)
    assert found["resources"] == RESOURCES and len(found["by_query_ms"]) == len(MIX)
    assert found["ratio"] == pytest.approx(found["search_ms"] / found["ready_ms"], rel=0.1)
    assert found["import_s"] > 0 and said
