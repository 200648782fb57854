"""The guide's script on real data comes to what a plain count of the files comes to."""

import csv
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "guides" / "real-data.sh"
DATA_DIR = Path(os.environ.get("XUANYONG_REAL_DATA") or ROOT.parent / "shared/data/oulad")
PERIODS = ("2013-09", "2013-10")

pytestmark = [
    pytest.mark.data,
    pytest.mark.long,
    pytest.mark.skipif(
        not (DATA_DIR / "studentVle.csv").exists(),
        reason=f"OULAD is not in {DATA_DIR} (XUANYONG_REAL_DATA names another folder)",
    ),
]


@pytest.fixture(scope="module")
def expected() -> dict:
    counted = subprocess.run(
        [sys.executable, Path(__file__).with_name("count_oulad.py"), DATA_DIR],
        check=True,
        capture_output=True,
    )
    return json.loads(counted.stdout)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Run the guide in a fresh home, from elsewhere; return what it printed and exported."""
    folder = tmp_path_factory.mktemp("real-data")
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {
        "MARKET_HOME": str(folder / "home"),
        "REAL_DATA_STATEMENTS": str(folder / "statements"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}",
    }
    done = subprocess.run(
        [SCRIPT, DATA_DIR],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    printed = _objects(done.stdout)
    lines = {
        period: [
            json.loads(line)
            for line in (folder / "statements" / f"{period}.jsonl").read_text().splitlines()
        ]
        for period in PERIODS
    }
    return {"usage": printed[0], "summaries": printed[1:], "lines": lines, "notes": done.stderr}


def _objects(text: str) -> list[dict]:
    decoder, found, position = json.JSONDecoder(), [], 0
    while text[position:].strip():
        position += len(text[position:]) - len(text[position:].lstrip())
        one, position = decoder.raw_decode(text, position)
        found.append(one)
    return found


def _schools() -> dict[str, str]:
    """Return the code of each school by the name of its region, as the guide's script has them."""
    heredoc = SCRIPT.read_text(encoding="utf-8").split("schools.csv\" <<'CSV'\n")[1]
    rows = csv.DictReader(heredoc.split("CSV\n")[0].splitlines())
    return {row["name"].split("（")[0]: row["code"] for row in rows}


def test_every_row_is_accounted_for(result, expected):
    usage = result["usage"]
    assert usage["received"] == expected["rows"] == 13_905
    assert usage["accepted"] == expected["distinct"] == 13_544
    assert usage["duplicates"] == sum(expected["duplicates"].values()) == 361
    parts = usage["accepted"] + usage["duplicates"] + usage["conflicts"]
    assert usage["received"] == parts + sum(usage["quarantined"].values())


def test_two_periods_end_in_statements_of_thirteen_payers_each(result, expected):
    assert [one["period"] for one in result["summaries"]] == list(PERIODS)
    for one in result["summaries"]:
        assert one["statements"] == 13 and one["ledger_balanced"]
        assert one["duplicates"] == expected["duplicates"][one["period"]]
        shares = sum(
            one[f"{name}_fen"] for name in ("vendor", "school_share", "platform_fee", "retention")
        )
        assert one["drawn_fen"] == shares == one["billed_fen"]
        assert one["uncovered_fen"] == one["waiting_fen"] == 0


@pytest.mark.parametrize("period", PERIODS)
def test_uses_and_exclusions_of_each_school_are_those_of_a_plain_count(result, expected, period):
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line in result["lines"][period]:
        school = found[line["payer"]]
        school["rated_fen"] += line["rated_fen"]
        school["billed_fen"] += line["amount_fen"]
        for part in line["schools"]:
            assert part["school"] == line["payer"]
            for name in ("events", "uses"):
                school[name] += part["explanation"][name]
            outside = part["explanation"]["excluded"].get("outside", {"events": 0, "uses": 0})
            school["outside_events"] += outside["events"]
            school["outside_uses"] += outside["uses"]
    wanted = {
        code: {
            name: expected["periods"][period].get(region, {}).get(name, 0)
            for name in (
                "events",
                "uses",
                "outside_events",
                "outside_uses",
                "rated_fen",
                "billed_fen",
            )
        }
        for region, code in _schools().items()
    }
    assert found == wanted


def test_some_agreements_reach_their_ceiling_and_one_learner_left_before_the_use(result):
    assert any(line["above_ceiling_fen"] for lines in result["lines"].values() for line in lines)
    outside = [
        (line["payer"], period)
        for period, lines in result["lines"].items()
        for line in lines
        if "outside" in line["explanation"]["excluded"]
    ]
    assert len(outside) == 1


def test_the_books_verify(result):
    assert "The books are what their sources say." in result["notes"]
