"""A generated workload: schools, learners, resources, agreements and a month of uses.

Written straight into the tables by set-wise SQL, since its purpose is to be large. For N uses there
are N/333 agreements, a tenth as many schools and a sixth as many resources; every third agreement
has a ceiling that its uses exceed, one learner in fifty left in the middle of the month, and one
use in ten follows another within 30 seconds.
"""

from dataclasses import dataclass
from datetime import date

import msgspec
from sqlalchemy import text

from kernel.clock import month_bounds, month_of
from kernel.unit import Unit
from market.bench.scratch import past_the_reviewers
from settlement.agreements import terms_digest
from settlement.funding_lines import issue_amount, open_line
from settlement.ledger.posting import AccountKey, AccountKind, Entry, TransferDraft, post
from settlement.metering.models import TRUST_PLAYER
from settlement.metering.partitions import ensure_partitions

MONTH = month_of(date(2026, 3, 1))
USES_PER_AGREEMENT = 333
AGREEMENTS_PER_SCHOOL = 10
LEARNERS_PER_SCHOOL = 100
CEILING_FEN = 660
TERMS = {
    "plan": "per_use",
    "unit_price": "0.0200",
    "fee_rate": "0.0500",
    "retention_rate": "0.0500",
    "title": "bench",
    "sku": "bench",
}

ORGANISATIONS = """
INSERT INTO region (code, name, level, is_sample)
VALUES ('100000', 'bench', 'nation', true) ON CONFLICT DO NOTHING;
INSERT INTO organisation (id, kind, code, name, region_code, facts, is_sample)
SELECT gen_random_uuid(), 'school', to_char(n, 'FM0000000000'), 'school ' || n, '100000', '{}', true
FROM generate_series(1, :schools) n;
INSERT INTO organisation (id, kind, code, name, region_code, facts, is_sample)
SELECT gen_random_uuid(), 'vendor', 'V' || n, 'vendor ' || n, '100000', '{}', true
FROM generate_series(1, :vendors) n;
INSERT INTO learner (id) SELECT gen_random_uuid()
FROM generate_series(1, CAST(:schools AS bigint) * :learners_per_school);
INSERT INTO resource (id, vendor_id, sku, is_sample)
SELECT gen_random_uuid(), v.id, 'R' || n, true
FROM generate_series(1, :resources) n
JOIN organisation v ON v.kind = 'vendor' AND v.code = 'V' || (n % :vendors + 1);
INSERT INTO version (id, resource_id, number, state, title, kind, tier, stage, subject, grade, type,
    metadata, digest, created_at)
SELECT gen_random_uuid(), r.id, 1, 'listed', r.sku, 'personalised', 'basic', 'primary',
    CASE WHEN :cells > 1 THEN 'S' || CAST(substr(v.code, 2) AS integer) % :cells ELSE '' END,
    '', '', '{}', '', now()
FROM resource r JOIN organisation v ON v.id = r.vendor_id;
"""

ENROLMENT = """
INSERT INTO enrolment (learner_id, school_id, joined_on, left_on, stage, grade, class_name)
SELECT l.id, s.id, '0001-01-01', CASE WHEN l.n % 50 = 0 THEN date '2026-03-16' END, '', '', ''
FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM learner) l
JOIN (SELECT id, row_number() OVER (ORDER BY code) - 1 AS n FROM organisation
      WHERE kind = 'school') s ON s.n = l.n / :learners_per_school
"""

AGREEMENTS = """
WITH numbered AS (
    SELECT id, code, row_number() OVER (ORDER BY code) - 1 AS n FROM organisation
    WHERE kind = 'school'
), resources AS (
    SELECT r.id, r.vendor_id, v.id AS version_id, row_number() OVER (ORDER BY r.sku) - 1 AS n
    FROM resource r JOIN version v ON v.resource_id = r.id
), made AS (
    INSERT INTO agreement (id, number, payer_id, vendor_id, resource_id, version_id, terms,
        terms_digest, ceiling_fen, starts_on, ends_on, state, opened_at)
    SELECT gen_random_uuid(), s.code || '-' || k, s.id, r.vendor_id, r.id, r.version_id,
        CAST(:terms AS jsonb), :digest, CASE WHEN k % 3 = 0 THEN :ceiling / 2 ELSE :ceiling END,
        '2026-01-01', '2026-12-31', 'open', now()
    FROM numbered s CROSS JOIN generate_series(0, :agreements_per_school - 1) k
    JOIN resources r ON r.n = (s.n * :agreements_per_school + k) % :resources
    RETURNING id, payer_id, ceiling_fen
), schools AS (
    INSERT INTO agreement_school (agreement_id, school_id) SELECT id, payer_id FROM made
)
INSERT INTO agreement_draw (agreement_id, position, line_id, ceiling_fen)
SELECT m.id, 1, f.id, m.ceiling_fen FROM made m JOIN funding_line f ON f.payer_id = m.payer_id
"""

PERSONS = """
INSERT INTO person (id, organisation_id, person_no_hash)
SELECT gen_random_uuid(), o.id, sha256(convert_to('bench ' || o.code || ' ' || n, 'UTF8'))
FROM organisation o CROSS JOIN generate_series(1, :teachers) n WHERE o.kind = 'school'
"""

# The teachers of a school rate all that it uses, each in a way of their own.
RATINGS = """
INSERT INTO rating (id, person_id, school_id, resource_id, version_id, launch_id, stars, at)
SELECT gen_random_uuid(), p.id, p.organisation_id, a.resource_id, a.version_id, gen_random_uuid(),
    1 + abs(hashint8(hashtext(p.id::text || a.vendor_id::text)::bigint)::bigint) % 5,
    CAST(:start AS timestamptz) + interval '20 days'
FROM agreement a JOIN person p ON p.organisation_id = a.payer_id
"""

# Every tenth use repeats the one before it, 15 seconds later; the order of arrival is shuffled.
USES = """
INSERT INTO usage_event (payer_id, agreement_id, school_id, resource_id, learner_id, source_id,
    batch_id, occurred_at, received_at, sequence, quantity, trust, event_id, session_id, in_class)
SELECT u.payer_id, u.agreement_id, u.payer_id, u.resource_id, l.id, :source, :source,
    CAST(:start AS timestamptz) + make_interval(secs =>
        abs(hashint8(u.k * 1000 + u.base)::bigint) % 2678000
        + CASE WHEN u.i <> u.base THEN 15 ELSE 0 END),
    now(), nextval('usage_sequence'), 1, :trust, 'bench-' || u.k || '-' || u.i, '',
    false
FROM (
    SELECT a.id AS agreement_id, a.payer_id, a.resource_id, a.k, g.i,
        CASE WHEN g.i % 10 = 0 THEN g.i - 1 ELSE g.i END AS base
    FROM (SELECT id, payer_id, resource_id, row_number() OVER (ORDER BY number) AS k
          FROM agreement) a
    CROSS JOIN generate_series(1, :uses_per_agreement) AS g(i)
) u
JOIN (
    SELECT learner_id AS id, school_id,
        row_number() OVER (PARTITION BY school_id ORDER BY learner_id) - 1 AS n
    FROM enrolment
) l ON l.school_id = u.payer_id AND l.n = (u.base * 7 + u.k) % :learners_per_school
ORDER BY hashint8(u.k * 1000 + u.i)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Whose resources are used: vendors, each in one of so many cells, rated by so many teachers
    of each school."""

    vendors: int = 50
    cells: int = 1
    teachers: int = 0


ALIKE = Spread()


def build_workload(unit: Unit, *, events: int, spread: Spread = ALIKE) -> int:
    """Fill an empty database with about `events` uses of March 2026; return the agreements."""
    agreements = max(events // USES_PER_AGREEMENT, AGREEMENTS_PER_SCHOOL)
    schools = max(agreements // AGREEMENTS_PER_SCHOOL, 1)
    sizes = {
        "schools": schools,
        "resources": max(agreements // 6, AGREEMENTS_PER_SCHOOL),
        "learners_per_school": LEARNERS_PER_SCHOOL,
        "vendors": spread.vendors,
        "cells": spread.cells,
        "teachers": spread.teachers,
    }
    with past_the_reviewers(unit):
        for statement in ORGANISATIONS.split(";"):
            if statement.strip():
                unit.session.execute(text(statement), sizes)
    unit.session.execute(text(ENROLMENT), sizes)
    _issue_lines(unit)
    unit.session.execute(
        text(AGREEMENTS),
        {
            **sizes,
            "agreements_per_school": AGREEMENTS_PER_SCHOOL,
            "ceiling": CEILING_FEN,
            "terms": _json(TERMS),
            "digest": terms_digest(dict(TERMS)),
        },
    )
    _commit_ceilings(unit)
    ensure_partitions(unit, [MONTH])
    unit.session.execute(
        text(USES),
        {
            "source": "00000000-0000-0000-0000-000000000001",
            "start": month_bounds(MONTH)[0],
            "trust": TRUST_PLAYER,
            "uses_per_agreement": USES_PER_AGREEMENT,
            "learners_per_school": LEARNERS_PER_SCHOOL,
        },
    )
    unit.session.execute(text(PERSONS), sizes)
    unit.session.execute(text(RATINGS), {"start": month_bounds(MONTH)[0]})
    return schools * AGREEMENTS_PER_SCHOOL


def _issue_lines(unit: Unit) -> None:
    payers = unit.session.scalars(text("SELECT id FROM organisation WHERE kind = 'school'")).all()
    for payer_id in payers:
        line_id = open_line(unit, payer_id, fiscal_year=2026, source="per_student")
        issue_amount(
            unit,
            line_id,
            amount_fen=CEILING_FEN * AGREEMENTS_PER_SCHOOL,
            key=f"bench:{payer_id}",
            memo="bench",
        )


def _commit_ceilings(unit: Unit) -> None:
    draws = unit.session.execute(
        text(
            "SELECT a.number, d.line_id, d.ceiling_fen FROM agreement_draw d "
            "JOIN agreement a ON a.id = d.agreement_id ORDER BY a.number"
        )
    ).all()
    post(
        unit,
        [
            TransferDraft(
                key=f"commit:{number}",
                memo="bench",
                entries=[
                    Entry(
                        debit=AccountKey(line_id, AccountKind.COMMITTED),
                        credit=AccountKey(line_id, AccountKind.AVAILABLE),
                        amount_fen=fen,
                    )
                ],
            )
            for number, line_id, fen in draws
        ],
    )


def _json(value: dict[str, str]) -> str:
    return msgspec.json.encode(value).decode()
