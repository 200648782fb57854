"""docs/ranking.md says what the product computes: its numbers and its worked example."""

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from settlement.ranking.config import SHIPPED
from settlement.ranking.explaining import explain
from settlement.ranking.guards import Sign
from settlement.ranking.inputs import SubjectEvidence
from settlement.ranking.places import band_of
from settlement.ranking.priors import Priors
from settlement.ranking.scoring import score
from tests.support.evidence_builders import says

PAGE = (Path(__file__).parents[3] / "docs" / "ranking.md").read_text(encoding="utf-8")
JSON = re.compile(r"```json\n(.*?)\n```", re.DOTALL)
TOLD_PRIORS = msgspec.json.decode(JSON.findall(PAGE)[1], type=Priors)
TOLD = explain(
    msgspec.json.decode(JSON.findall(PAGE)[0], type=SubjectEvidence),
    priors=TOLD_PRIORS,
    config=SHIPPED,
)


def table(head: str) -> list[list[str]]:
    """Return the cells of the table whose head row begins so."""
    lines = PAGE[PAGE.index(f"\n{head}") + 1 :].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_worked_example_is_what_the_product_computes():
    """R45: an auditor has every number of the page again from the two blocks of JSON."""
    score = TOLD.score
    components = (score.satisfaction, score.renewal, score.defects, score.audit)

    assert table("| | m | variance |") == [
        [
            one.part.value,
            str(component.mean),
            str(component.variance),
            str(one.points),
            f"{one.most:.0f}",
            str(one.expected),
        ]
        for one, component in zip(TOLD.contributions, components, strict=True)
    ]
    assert table("| S | sd |") == [
        [
            str(score.score),
            str(score.sd),
            str(score.lower),
            str(score.p_bad),
            band_of(score.lower, SHIPPED),
            str(TOLD.missing),
        ]
    ]
    assert table("| school | opinion |") == [
        [
            one.school,
            "none" if one.opinion is None else str(one.opinion),
            f"{one.weight} (capped)" if one.is_capped else str(one.weight),
            f"{one.effect:+}",
        ]
        for one in TOLD.schools
    ]


def test_what_volume_does_is_what_the_product_computes():
    """R42: more voices of one opinion may raise a score, and may raise its deviation."""
    usual = TOLD_PRIORS.everywhere

    rows = table("| teachers of each |")

    assert len(rows) == 5
    for teachers, stars, mean, *told in rows:
        cell = replace(usual, satisfaction=Decimal(mean))
        priors = replace(TOLD_PRIORS, everywhere=cell, cells=(), leniency=())
        said = tuple(says(name, *[int(stars)] * int(teachers)) for name in "ABC")
        vendor = SubjectEvidence(subject="v", cell="c", schools=said)
        found = score([vendor], priors, SHIPPED).scores[0]
        assert [str(found.score), str(found.sd), str(found.p_bad)] == told


def test_the_arithmetic_in_words_is_right():
    """R45: by hand, without the product."""
    first = Decimal(2) ** (Decimal(-30) / 366)
    weight = first + Decimal(1) / 6 + 1
    third = weight / 3
    known = third + Decimal(1) / 6 + third
    said = third * Decimal("0.825") + Decimal(1) / 6 + third * Decimal(5) / 12
    mean = (3 * Decimal("0.6") + said) / (3 + known)
    rate = (12 * Decimal("0.05") + 3) / 46

    for number in (first, mean, rate, 1 - (rate / Decimal("0.5")).sqrt()):
        assert f"{number:.6f}" in PAGE
    assert abs(TOLD.score.satisfaction.mean - mean) < Decimal("0.000002")
    assert f"{(3 * Decimal('0.7') + 2) / 6:.6f}" in PAGE


def test_the_page_names_every_number_of_the_configuration_as_it_is():
    """R45, R51: thresholds are configuration, and published."""
    content: dict[str, Any] = msgspec.json.decode(SHIPPED.canonical())
    flat: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": str(found) for inner, found in value.items()}
        elif name == "bands":
            flat[name] = " · ".join(f"{one['name']} ≥ {one['least']}" for one in value)
        elif name != "version":
            flat[name] = " … ".join(value) if isinstance(value, list) else str(value)

    assert {row[0].strip("`"): row[1] for row in table("| number | value |")} == flat
    assert f"Version {SHIPPED.version}." in PAGE


def test_the_page_names_every_reason_of_the_guards():
    assert {row[0].split("`")[1] for row in table("| reason | when |")} == {
        sign.value for sign in Sign
    }
