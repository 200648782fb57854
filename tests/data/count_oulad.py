"""Counts OULAD's clicks by the rules of the guide, with the standard library alone.

It knows nothing of the product: what it prints is what the product has to come to. Usage:
count_oulad.py DATA_DIR, which prints JSON.
"""

import csv
import json
import sys
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

DAY_0 = date(2013, 10, 1)
PRICE_FEN = 2
CEILING_FEN = 2_000


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return [
            row
            for row in csv.DictReader(file)
            if (row["code_module"], row["code_presentation"]) == ("AAA", "2013J")
        ]


def count(folder: Path) -> dict:
    region = {row["id_student"]: row["region"] for row in rows(folder, "studentInfo.csv")}
    gone = {
        row["id_student"]: int(row["date_unregistration"])
        for row in rows(folder, "studentRegistration.csv")
        if row["date_unregistration"]
    }
    clicks = rows(folder, "studentVle.csv")
    seen = set()
    periods = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    uses = defaultdict(lambda: defaultdict(int))
    duplicates = defaultdict(int)
    for row in clicks:
        month = (DAY_0 + timedelta(days=int(row["date"]))).strftime("%Y-%m")
        key = tuple(row.values())
        if key in seen:
            duplicates[month] += 1
            continue
        seen.add(key)
        learner, quantity = row["id_student"], int(row["sum_click"])
        school = periods[month][region[learner]]
        school["events"] += 1
        if learner in gone and int(row["date"]) >= gone[learner]:
            school["outside_events"] += 1
            school["outside_uses"] += quantity
        else:
            school["uses"] += quantity
            uses[month][region[learner], row["id_site"]] += quantity
    left = defaultdict(lambda: CEILING_FEN)
    for month in sorted(uses):
        for (name, site), quantity in uses[month].items():
            billed = min(quantity * PRICE_FEN, left[name, site])
            left[name, site] -= billed
            periods[month][name]["rated_fen"] += quantity * PRICE_FEN
            periods[month][name]["billed_fen"] += billed
    return {
        "rows": len(clicks),
        "distinct": len(seen),
        "duplicates": duplicates,
        "periods": periods,
    }


if __name__ == "__main__":
    json.dump(count(Path(sys.argv[1])), sys.stdout, ensure_ascii=False)
