"""The days of schools under agreements: what their changes make, and the uses that stay outside.

What came in before a school declined from that very day stays where it was counted.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby

from sqlalchemy import select, text

from kernel.identity.models import Organisation
from kernel.unit import Unit
from settlement.agreement_models import AgreementSchoolChange
from settlement.models import Agreement, AgreementSchool

Span = tuple[date, date]
"""From a day until before another; `date.min` and `date.max` are no bound."""
ALWAYS: Span = (date.min, date.max)

# A launch falls under an agreement on the day on which it is made, an attested use on its own.
USES_BEFORE_JOINING = text(
    """
WITH joined AS (
    SELECT c.agreement_id, c.school_id, c.from_day, d.from_day AS declined_from,
        d.at AS declined_at
    FROM agreement_school_change c
    LEFT JOIN LATERAL (
        SELECT d.from_day, d.at FROM agreement_school_change d
        WHERE d.agreement_id = c.agreement_id AND d.school_id = c.school_id
            AND d.kind = 'declined' AND d.number < c.number
        ORDER BY d.number DESC LIMIT 1
    ) d ON true
    WHERE c.kind = 'added'
), uses AS (
    SELECT j.*, COALESCE(h.issued_at, u.received_at) AS known_at,
        (COALESCE(h.issued_at, u.occurred_at) AT TIME ZONE 'Asia/Shanghai')::date AS day
    FROM joined j JOIN agreement a ON a.id = j.agreement_id
    JOIN usage_event u ON u.payer_id = a.payer_id AND u.agreement_id = j.agreement_id
        AND u.school_id = j.school_id
    LEFT JOIN launch h ON h.id = u.launch_id
)
SELECT a.number AS agreement, o.code AS school, u.from_day, count(*) AS events
FROM uses u JOIN agreement a ON a.id = u.agreement_id JOIN organisation o ON o.id = u.school_id
WHERE u.day < u.from_day
    AND (u.declined_from IS NULL OR (u.day >= u.declined_from AND u.known_at > u.declined_at))
GROUP BY a.number, o.code, u.from_day ORDER BY 1, 2, 3
"""
)


def check_school_days(unit: Unit) -> Iterator[str]:
    """Compare each school's days with its changes, and its uses with the days."""
    rows = unit.session.execute(
        select(Agreement.number, Organisation.code, AgreementSchool.days, AgreementSchoolChange)
        .join(Agreement, Agreement.id == AgreementSchool.agreement_id)
        .join(Organisation, Organisation.id == AgreementSchool.school_id)
        .outerjoin(
            AgreementSchoolChange,
            (AgreementSchoolChange.agreement_id == AgreementSchool.agreement_id)
            & (AgreementSchoolChange.school_id == AgreementSchool.school_id)
            & (AgreementSchoolChange.kind != "ceiling"),
        )
        .where(
            AgreementSchoolChange.id.is_not(None) | (AgreementSchool.days.op("<>")(text("'{(,)}'")))
        )
        .order_by(Agreement.number, Organisation.code, AgreementSchoolChange.number)
    ).all()
    for (number, code), group in groupby(rows, key=lambda row: (row[0], row[1])):
        found = list(group)
        stored = [(one.lower or date.min, one.upper or date.max) for one in found[0][2]]
        made = _spans([row[3] for row in found if row[3] is not None])
        if stored != made:
            yield (
                f"agreement {number}: days of school {code} are {_shown(stored)}, its changes "
                f"make {_shown(made)}"
            )
    for row in unit.session.execute(USES_BEFORE_JOINING):
        yield (
            f"agreement {row.agreement}: {row.events} uses of school {row.school} are of days "
            f"before it joined on {row.from_day}"
        )


def _spans(changes: Sequence[AgreementSchoolChange]) -> list[Span]:
    """Return the days that a school's changes make, in their order; one that joined had none."""
    spans = [] if changes and changes[0].kind == "added" else [ALWAYS]
    for change in changes:
        assert change.from_day is not None  # only a change of the ceiling has none
        if change.kind == "added":
            spans.append((change.from_day, date.max))
        else:
            spans = [
                (first, min(until, change.from_day))
                for first, until in spans
                if first < change.from_day
            ]
    return _merged(spans)


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for first, until in spans:
        goes_on = bool(merged) and merged[-1][1] == first
        merged.append((merged.pop()[0] if goes_on else first, until))
    return merged


def _shown(spans: Sequence[Span]) -> str:
    return ", ".join(f"[{first}, {until})" for first, until in spans) or "none"
