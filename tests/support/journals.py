"""What the programs of plain-text accounting make of an exported journal."""

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kernel.money import parse_fen

REQUIRED = "XUANYONG_REQUIRE_HLEDGER"
UTF8 = {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", "")}


def hledger() -> str:
    """Return the program's path; without it the test is skipped, or fails where it is required."""
    found = shutil.which("hledger")
    if found is None:
        reason = "hledger is not installed"
        if os.environ.get(REQUIRED):
            pytest.fail(f"{reason}, and {REQUIRED} is set")
        pytest.skip(reason)
    return found


def hledger_balances(journal: str, folder: Path) -> dict[str, int]:
    """Have hledger check the journal, strictly; return its balances in fen, those of zero too."""
    program = hledger()
    file = folder / "books.journal"
    file.write_text(journal, encoding="utf-8")
    # A strict check: balanced, asserted, declared accounts and commodities, in the days' order.
    _run(program, "check", "-s", "ordereddates", "-f", str(file))
    shown = _run(program, "bal", "-f", str(file), "--flat", "-E", "-N", "-O", "csv")
    rows = list(csv.DictReader(io.StringIO(shown)))
    return {row["account"]: _fen(row["balance"]) for row in rows}


def check_with_beancount(journal: str, folder: Path) -> None:
    """Have Beancount check the journal; raise `AssertionError` with what it says."""
    file = folder / "books.beancount"
    file.write_text(journal, encoding="utf-8")
    _run(str(Path(sys.executable).with_name("bean-check")), str(file))


def _fen(shown: str) -> int:
    amount = shown.replace("CNY", "").strip()
    return -parse_fen(amount[1:]) if amount.startswith("-") else parse_fen(amount)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=UTF8)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
