"""An evaluation whole, as all its readers get it: reckoned once for some minutes (R65).

Reckoning goes over all bills of a span, and everybody may ask. So a process keeps what it reckoned
for `MARKET_REMEMBER_SECONDS`; each answer says by what moment it is known (`span.as_of`). Who waits
for one that reckons holds no connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kernel.remembering import Remembered
from kernel.unit import Unit
from settlement.evaluation.bureaus import BureauService, bureau_services
from settlement.evaluation.platform import PlatformService, platform_service
from settlement.evaluation.schools import Contribution, WorkRow, contributions, works_of
from settlement.evaluation.spans import Span, read_span


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Sharing schools, bureaus and the platform in a span, by what was known at its `as_of`."""

    span: Span
    schools: Sequence[Contribution]
    bureaus: Sequence[BureauService]
    platform: PlatformService


@dataclass(frozen=True, kw_only=True, slots=True)
class SchoolWorks:
    """One school's works in a span, each with what others made of it."""

    span: Span
    rows: Sequence[WorkRow]


EVALUATIONS: Final = Remembered[Evaluation](most=64)
WORKS: Final = Remembered[SchoolWorks](most=256)


def evaluation(unit: Unit, name: str, *, as_of: str = "") -> Evaluation:
    """Return the evaluation of a year or a month; see `read_span` for what it raises."""
    span = read_span(unit, name, as_of=as_of)
    return EVALUATIONS.ask(
        _asked(unit, span),
        now=unit.clock.now(),
        seconds=unit.settings.remember_seconds,
        make=lambda: Evaluation(
            span=span,
            schools=contributions(unit, span),
            bureaus=bureau_services(unit, span),
            platform=platform_service(unit, span),
        ),
        rest=unit.rest,
    )


def school_works(unit: Unit, name: str, *, school_code: str, as_of: str = "") -> SchoolWorks:
    """Return a school's works in a year or a month; see `read_span` for what it raises."""
    span = read_span(unit, name, as_of=as_of)
    return WORKS.ask(
        (*_asked(unit, span), school_code),
        now=unit.clock.now(),
        seconds=unit.settings.remember_seconds,
        make=lambda: SchoolWorks(span=span, rows=works_of(unit, span, school_code=school_code)),
        rest=unit.rest,
    )


def _asked(unit: Unit, span: Span) -> tuple[object, ...]:
    """Return all that an answer depends on; today's facts are those of the last minutes."""
    settings = unit.settings
    return (
        str(unit.session.get_bind().engine.url),
        settings.admit_days,
        settings.due_days,
        span.name,
        span.known,
    )
