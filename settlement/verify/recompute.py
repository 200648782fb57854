"""The checks: stored figures against what their sources give, each difference one sentence.

Balances are compared with legs, budget identities with agreements and draws, statements with sealed
usage at frozen terms and with the decisions on their money made once more, transfers with their
documents account by account, seals with their events, tallies with rows, the trail with its chain.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import exists, select, text

from kernel.actors import Actor, Role
from kernel.clock import show_month
from kernel.errors import Refused
from kernel.identity.models import Organisation
from kernel.identity.visibility import visible_organisations
from kernel.money import yuan
from kernel.trail import broken_links
from kernel.unit import Unit, Units
from settlement.agreements import terms_digest
from settlement.metering.fingerprints import NO_EVENTS, Fingerprint
from settlement.metering.judging import sealed_scopes
from settlement.metering.partitions import archived_months
from settlement.models import Agreement, Period
from settlement.periods import compute_fingerprints
from settlement.verify import differences as find
from settlement.verify.archives import archived_rows, check_archives
from settlement.verify.budgets import check_bureau_budgets
from settlement.verify.counts import SEALED, check_counts, months_in
from settlement.verify.credits import check_credits
from settlement.verify.draws import check_draws
from settlement.verify.memoranda import check_memoranda
from settlement.verify.payments import check_payments
from settlement.verify.payouts import check_payouts
from settlement.verify.ranking_facts import check_ranking_facts
from settlement.verify.rankings import check_rankings
from settlement.verify.rates import check_rates
from settlement.verify.replay import replay
from settlement.verify.retentions import check_retentions
from settlement.verify.school_days import check_school_days
from settlement.verify.standing_trail import check_standing_trail
from settlement.verify.standings import check_standings
from settlement.verify.timeline import histories
from settlement.year_ends import last_open_day

Check = Callable[[Unit], Iterator[str]]


def verify(units: Units, actor: Actor, *, also: Sequence[Check] = ()) -> list[str]:
    """Run every check; return the findings, none if the books are what their sources say.

    `also`: checks of floors above, of what settlement does not know.
    The books are one: only the system, or a bureau above everybody on this installation, may read
    all of them. Raises `Refused` for others.
    """
    actor.require("books.verify", Role.OPERATOR, Role.AUDITOR)
    with units(actor) as unit:
        _require_all_visible(unit)
    findings: list[str] = []
    for check in (*CHECKS, *also):
        with units(actor) as unit:
            # One snapshot for each check: what is posted meanwhile is no difference.
            unit.session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            findings.extend(check(unit))
    return findings


def _require_all_visible(unit: Unit) -> None:
    seen = visible_organisations(unit).with_only_columns(Organisation.id)
    unseen = select(exists().where(Organisation.id.not_in(seen)))
    if not unit.actor.is_system and unit.session.scalar(unseen):
        raise Refused(act="books.verify", needs="a bureau above all that is on this installation")


def check_balances(unit: Unit) -> Iterator[str]:
    for row in unit.session.execute(find.WRONG_BALANCES):
        yield (
            f"account {row.kind} of {row.owner}: balance {yuan(row.stored)}, "
            f"its legs give {yuan(int(row.computed))}"
        )
    for row in unit.session.execute(find.UNBALANCED_TRANSFERS):
        yield f"transfer {row.key}: {row.book} book is off by {yuan(int(row.fen))} {row.unit}"


def check_budgets(unit: Unit) -> Iterator[str]:
    for row in unit.session.execute(find.BUDGETS_THAT_DIFFER):
        yield (
            f"funding line {row.line}: allocated {yuan(int(row.allocated))}, its accounts hold "
            f"{yuan(int(row.held))}; spent {yuan(int(row.spent))}, statements drew "
            f"{yuan(int(row.drawn))}; committed {yuan(int(row.committed))}, agreements have "
            f"{yuan(int(row.promised))} left"
        )


def check_commitments(unit: Unit) -> Iterator[str]:
    for row in unit.session.execute(find.COMMITMENTS_THAT_DIFFER):
        yield (
            f"agreement {row.agreement}, funding line {row.line}: "
            f"{f'change {row.change}' if row.change else 'its opening'} commits "
            f"{yuan(int(row.written))}, its transfer moved {yuan(int(row.moved))}"
        )
    for row in unit.session.execute(find.CEILINGS_THAT_DIFFER):
        yield (
            f"agreement {row.agreement}: ceiling {yuan(int(row.ceiling))}, its years make "
            f"{yuan(int(row.of_years))}; opened with {yuan(int(row.opened))}, of it "
            f"{yuan(int(row.committed))} committed and {yuan(int(row.waited))} waiting"
        )


def check_statements(unit: Unit) -> Iterator[str]:
    for what, query in (
        ("draws", find.DRAWS_THAT_DIFFER),
        ("its schools' parts", find.BREAKDOWNS_THAT_DIFFER),
    ):
        for row in unit.session.execute(query):
            yield (
                f"statement {row.statement}, agreement {row.agreement}: line {yuan(row.stored)}, "
                f"{what} give {yuan(int(row.computed))} (or another quantity)"
            )
    for row in unit.session.execute(find.CEILINGS_EXCEEDED):
        yield (
            f"agreement {row.agreement}: billed {yuan(int(row.billed))} over its ceiling of "
            f"{yuan(int(row.ceiling))}"
        )
    for row in unit.session.execute(find.CREDITS_THAT_DIFFER):
        yield (
            f"credit {row.key}: decided {yuan(int(row.decided))} of {yuan(int(row.billed))}, noted "
            f"{yuan(int(row.credited))}, of it drawn {yuan(int(row.drawn))}, given back "
            f"{yuan(int(row.given_back))}"
        )


def check_decisions(unit: Unit) -> Iterator[str]:
    open_until = partial(last_open_day, unit.settings)
    for history in histories(unit):
        yield from map(str, replay(history, open_until))


def check_postings(unit: Unit) -> Iterator[str]:
    for row in unit.session.execute(find.LEGS_THAT_DIFFER):
        yield (
            f"transfer {row.key}: {row.kind} of {row.owner} moved {yuan(int(row.moved))}, its "
            f"document gives {yuan(int(row.expected))}"
        )


def check_terms(unit: Unit) -> Iterator[str]:
    for number, terms, digest in unit.session.execute(
        select(Agreement.number, Agreement.terms, Agreement.terms_digest).order_by(Agreement.number)
    ):
        if terms_digest(terms) != digest:
            yield f"agreement {number}: its terms do not match their digest"


def check_seals(unit: Unit) -> Iterator[str]:
    archived = archived_months(unit)  # their seals are checked with their files
    for month in months_in(unit, SEALED):
        if month in archived:
            continue
        periods = unit.session.scalars(
            select(Period).where(Period.month == month, Period.fingerprint.is_not(None))
        ).all()
        now: dict[UUID, Fingerprint] = {}
        for scope in sealed_scopes(unit, month, payer_ids=[one.payer_id for one in periods]):
            now.update(compute_fingerprints(unit, scope))
        for period in periods:
            counts = period.counts or {}
            sealed = Fingerprint(counts["events"], counts["uses"], int(period.fingerprint or 0))
            found = now.get(period.payer_id, NO_EVENTS)
            if found != sealed:
                yield (
                    f"period {show_month(month)} of {period.payer_id}: sealed with {sealed.events} "
                    f"events, now {found.events}, or their content changed"
                )


def check_usage(unit: Unit) -> Iterator[str]:
    archived = archived_rows(unit)
    batches = {"batches": list(archived), "archived": list(archived.values())}
    for row in unit.session.execute(find.TALLIES_THAT_DIFFER, batches):
        yield (
            f"delivery {row.file_name}: {row.rows_taken} rows taken, {row.received} tallied; "
            f"{row.accepted} accepted, {row.events} events; {row.quarantined} quarantined, "
            f"{row.kept} kept"
        )
    for row in unit.session.execute(find.IDENTITIES_THAT_DIFFER):
        yield f"usage: {row.events} events, but {row.identities} identities"


def check_trail(unit: Unit) -> Iterator[str]:
    yield from broken_links(unit)


CHECKS: tuple[Check, ...] = (
    check_balances,
    check_budgets,
    check_bureau_budgets,
    check_commitments,
    check_statements,
    check_decisions,
    check_memoranda,
    check_postings,
    check_retentions,
    check_payments,
    check_payouts,
    check_rates,
    check_credits,
    check_counts,
    check_school_days,
    check_terms,
    check_seals,
    check_archives,
    check_usage,
    check_draws,
    check_rankings,
    check_ranking_facts,
    check_standings,
    check_standing_trail,
    check_trail,
)
