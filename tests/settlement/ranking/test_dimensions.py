"""The four dimensions beside a score, as docs/ranking.md and the page of the method have them."""

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from litestar import Litestar
from litestar.testing import TestClient

from kernel.settings import Settings
from kernel.unit import Units
from settlement.ranking.config import SHIPPED
from settlement.ranking.dimensions import Dimension, dimensions_of
from settlement.ranking.evidence import Subject
from settlement.ranking.inputs import SubjectEvidence
from settlement.ranking.measuring import measure_all
from settlement.ranking.priors import estimate_priors
from tests.support.application import an_app
from tests.support.evidence_builders import a_vendor, says, vendors

DOCS = (Path(__file__).parents[3] / "docs" / "ranking.md").read_text(encoding="utf-8")
TENTH = Decimal("0.1")


@given(vendors())
def test_each_dimension_is_the_formula_that_is_published(evidence: SubjectEvidence) -> None:
    """R46: out of the score's own means and the counts of schools."""
    priors = estimate_priors([evidence], SHIPPED)
    (found,) = measure_all([Subject(evidence=evidence)], priors, SHIPPED)
    mean = {
        name: Decimal(100) * Decimal(one["mean"]) for name, one in found.result["parts"].items()
    }
    schools = evidence.schools
    asked = {
        Dimension.QUALITY: (
            (mean["defects"] + mean["audit"]) / 2,
            evidence.audits or any(one.months for one in schools),
        ),
        Dimension.EFFECT: (mean["renewal"], any(one.renewed + one.ended for one in schools)),
        Dimension.DEVELOPMENT: (mean["satisfaction"], any(one.raters for one in schools)),
        Dimension.BENEFIT: (
            Decimal(100 * sum(one.rural for one in schools)) / max(len(schools), 1),
            bool(schools),
        ),
    }
    told = {one.dimension: one.index for one in dimensions_of(found.result)}
    for dimension, (index, is_known) in asked.items():
        assert told[dimension] == (index.quantize(TENTH) if is_known else None)


def test_a_school_of_which_only_what_went_wrong_stays_is_counted_once() -> None:
    """R46: rural schools are counted among all that have evidence, not among independent ones."""
    schools = [says(name, 4, months=3, rural=True) for name in "ABC"]
    wrong = says("D", defects=3, months=3, rural=True)
    evidence = replace(a_vendor("v", *schools, wrong), excluded=(("D", "captive-school"),))
    priors = estimate_priors([evidence], SHIPPED)
    subject = Subject(evidence=evidence, left_out=(says("D", 5, 5, 5, 5, 5),))
    (found,) = measure_all([subject], priors, SHIPPED)
    benefit = dimensions_of(found.result)[-1]
    assert found.score.schools == 3
    assert (benefit.index, benefit.counts) == (Decimal("100.0"), {"rural": 4, "schools": 4})


@pytest.fixture
def client(settings: Settings, units: Units) -> TestClient[Litestar]:
    return TestClient(an_app(settings, units))


def test_the_formulae_stand_on_the_page_and_in_the_docs(client: TestClient[Litestar]) -> None:
    """R46: what each dimension is made of is no secret."""
    with client:
        page = client.get("/rankings/method", headers={"accept": "text/html"}).text
    rows = re.findall(r"^\| (\S+) (?:quality|effect|development|benefit) \| (.+?) \|", DOCS, re.M)
    assert [name for name, _ in rows] == ["资源质量", "使用效能", "师生发展", "社会效益"]
    for name, formula in rows:
        shown = re.search(rf"<dt>{name}</dt><dd><span class=\"code\">(.+?)</span>", page)
        assert shown is not None, name
        assert set(re.findall("[m][₁-₄]", formula)) == set(re.findall("[m][₁-₄]", shown[1]))
