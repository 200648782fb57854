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

# A launch falls under an agreement on the day on which it is made, an attested use on its own. Of
# a school's changes the last one that reaches the day decides, a refusal only if it was known when
# the use came in.
USES_OUTSIDE = text(
    """
WITH changed AS (
    SELECT agreement_id, school_id, (array_agg(kind ORDER BY number))[1] = 'added' AS joined
    FROM agreement_school_change WHERE kind <> 'ceiling' GROUP BY agreement_id, school_id
), uses AS (
    SELECT c.*, COALESCE(h.issued_at, u.received_at) AS known_at,
        (COALESCE(h.issued_at, u.occurred_at) AT TIME ZONE 'Asia/Shanghai')::date AS day
    FROM changed c JOIN agreement a ON a.id = c.agreement_id
    JOIN usage_event u ON u.payer_id = a.payer_id AND u.agreement_id = c.agreement_id
        AND u.school_id = c.school_id
    LEFT JOIN launch h ON h.id = u.launch_id
), outside AS (
    SELECT u.agreement_id, u.school_id, d.kind, d.from_day, min(u.day) AS first, max(u.day) AS last,
        count(*) AS events
    FROM uses u LEFT JOIN LATERAL (
        SELECT d.kind, d.from_day FROM agreement_school_change d
        WHERE d.agreement_id = u.agreement_id AND d.school_id = u.school_id
            AND d.from_day <= u.day AND (d.kind = 'added' OR d.at < u.known_at)
        ORDER BY d.number DESC LIMIT 1
    ) d ON true
    WHERE d.kind = 'declined' OR (d.kind IS NULL AND u.joined)
    GROUP BY u.agreement_id, u.school_id, d.kind, d.from_day
)
SELECT a.number AS agreement, o.code AS school, s.from_day, s.first, s.last, s.events
FROM outside s JOIN agreement a ON a.id = s.agreement_id JOIN organisation o ON o.id = s.school_id
ORDER BY a.number, o.code, s.from_day NULLS FIRST
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
    for row in unit.session.execute(USES_OUTSIDE):
        why = f"it had declined from {row.from_day} on" if row.from_day else "before it joined"
        yield (
            f"agreement {row.agreement}: {row.events} uses of school {row.school} are of days on "
            f"which it was not in it, {row.first} – {row.last}: {why}"
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
