"""Guards on a month's evidence: rings, captive schools, abnormal metering, out of settled facts.

What a sign is, is decided by `guards`; here they get what the database knows: whose school is
behind which subject, and how many learners a school has. What they name is shown with its effect on
the score, and not scored; people judge it.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from kernel.unit import Unit
from settlement.ranking.evidence import Evidence, Subject, last_day_of, without
from settlement.ranking.evidence_queries import KINDS, LEARNERS, OWN_SCHOOLS, about
from settlement.ranking.guards import Known, find
from settlement.ranking.priors import estimate_priors
from settlement.ranking.rules import Rules


def guarded(unit: Unit, evidence: Evidence, rules: Rules) -> Evidence:
    """Return the evidence without what the guards name, which is told with its reason."""
    learners = _learners(unit, evidence)
    return Evidence(
        month=evidence.month,
        subjects={
            kind: _guarded(
                evidence.subjects[kind],
                Known(homes=_homes(unit, kind), learners=learners),
                rules,
            )
            for kind in KINDS
        },
    )


def _guarded(subjects: Sequence[Subject], known: Known, rules: Rules) -> tuple[Subject, ...]:
    scored = [one.evidence for one in subjects]
    priors = estimate_priors(scored, rules.ranking)
    why: dict[tuple[str, str], dict[str, str]] = {}
    for one in find(scored, known, priors=priors, config=rules.ranking):
        why.setdefault((one.subject, one.cell), {})[one.school] = one.sign.value
    wrongs_stay = rules.ranking.guards.wrongs_stay is True
    return tuple(
        without(
            one, why.get((one.evidence.subject, one.evidence.cell), {}), wrongs_stay=wrongs_stay
        )
        for one in subjects
    )


def _homes(unit: Unit, kind: str) -> Mapping[str, set[str]]:
    homes: dict[str, set[str]] = {}
    for row in unit.session.execute(about(OWN_SCHOOLS, kind)):
        homes.setdefault(str(row.subject), set()).add(str(row.school_id))
    return homes


def _learners(unit: Unit, evidence: Evidence) -> Mapping[str, int]:
    rows = unit.session.execute(LEARNERS, {"last_day": last_day_of(evidence.month)})
    counted: dict[UUID, int] = {row.school_id: row.learners for row in rows}
    return {str(school): learners for school, learners in counted.items()}
