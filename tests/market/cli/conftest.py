"""Runs `market …` in this process, on the test's own database."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from market.cli.main import run


@dataclass(frozen=True, slots=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


Market = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def market(
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    database_url: str,
    home: Path,
) -> Market:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("MARKET_HOME", str(home))
    monkeypatch.setenv("MARKET_SECRET_KEY", "test")

    def call(*arguments: object) -> Result:
        capsysbinary.readouterr()
        status = run([str(one) for one in arguments])
        out, err = capsysbinary.readouterr()
        return Result(status, out.decode(), err.decode())

    return call
