"""All numbers of a published ranking in words: what each is, its value, and its name (R45)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kernel.i18n import label, msgid, translate
from settlement.ranking.rules import Rules

WHAT_IT_IS: Final = {
    "weights.satisfaction": msgid("Weight of satisfaction in the score"),
    "weights.renewal": msgid("Weight of renewal in the score"),
    "weights.defects": msgid("Weight of upheld disputes in the score"),
    "weights.audit": msgid("Weight of blind audits in the score"),
    "cap": msgid("Largest share of a vendor's opinions that one school carries"),
    "raters_for_full_weight": msgid("Teachers who give a school its whole weight"),
    "term_days": msgid("Days of a term"),
    "half_life_days": msgid("Days after which a rating weighs half"),
    "evidence_days": msgid("Days for which renewals, disputes and months of use count"),
    "audit_days": msgid("Days for which audits count"),
    "k_satisfaction": msgid(
        "First guess of how many schools a cell's mean of satisfaction counts for"
    ),
    "k_satisfaction_bounds": msgid("Bounds of what is estimated of it"),
    "phi": msgid("First guess of how far schools' opinions differ"),
    "phi_bounds": msgid("Bounds within which that is estimated"),
    "k_leniency": msgid(
        "Vendors at full weight for which everybody's mean counts in a school's leniency"
    ),
    "k_renewal": msgid("Schools for which a cell's mean of renewal counts"),
    "k_defects": msgid("School-months for which a cell's mean of disputes counts"),
    "k_audit": msgid("Audits for which a cell's mean of audits counts"),
    "k_cell": msgid("Vendors fully known for which the mean of all cells counts"),
    "renewal_low": msgid("Rate of renewal at which nothing is left of that component"),
    "renewal_high": msgid("Rate of renewal at which that component is whole"),
    "defects_max": msgid(
        "Severity of disputes per school-month at which nothing is left of that component"
    ),
    "severity_spread": msgid("Mean square of a dispute's severity over its mean"),
    "prior_satisfaction": msgid("Satisfaction where nothing is known yet"),
    "prior_renewal": msgid("Rate of renewal where nothing is known yet"),
    "prior_defects": msgid("Severity of disputes per school-month where nothing is known yet"),
    "prior_audit": msgid("Rate of passed audits where nothing is known yet"),
    "tau": msgid("Score below which a vendor is bad"),
    "interval_z": msgid("Standard deviations that tell two places apart"),
    "bands": msgid("Bands, from a lower bound of the score on"),
    "gates.watch": msgid("Probability of lying below from which a vendor is watched"),
    "gates.probation": msgid("Probability from which it is told to mend"),
    "gates.no_new_schools": msgid("Probability from which it takes no new schools"),
    "gates.recovery": msgid("Probability below which it has recovered"),
    "gates.looks": msgid("Monthly looks in a row before a suspension"),
    "gates.fresh_schools": msgid("Schools newly affected since the notice before a suspension"),
    "gates.probation_days": msgid("Days to mend what a notice names"),
    "gates.appeal_workdays": msgid("Working days to appeal"),
    "gates.return_days": msgid("Days after which a vendor that left may apply anew"),
    "gates.silence": msgid("Of whom nothing is known any more has recovered"),
    "gates.wait_days": msgid(
        "Days after a month's end for which its ranking waits for payers that have not stated it"
    ),
    "newcomers.schools": msgid("Independent schools that end being new"),
    "newcomers.days": msgid("Days since first use that end being new"),
    "newcomers.share": msgid("Share of each page of a cell that is kept for newcomers"),
    "newcomers.independent": msgid(
        "Schools of which something is set aside are no independent ones"
    ),
    "newcomers.wrongs_known": msgid(
        "What went wrong at a school with somebody at the vendor makes the vendor known"
    ),
    "newcomers.silent_days": msgid(
        "Days since it was first let in after which no place is kept for what nothing is known of"
    ),
    "guards.unanimous_raters": msgid("Teachers of one extreme mind in a captive or hostile school"),
    "guards.gap": msgid("How far other schools lie from an extreme opinion"),
    "guards.other_schools": msgid("Other schools that lie so far from it"),
    "guards.alike_raters": msgid("Teachers in each school that speaks with one voice"),
    "guards.alike_schools": msgid("Schools that speak with one voice"),
    "guards.mutual_raters": msgid("Teachers in mutual praise"),
    "guards.metering_times": msgid("Times the cell's median of uses that are abnormal"),
    "guards.metering_schools": msgid("Schools that make such a median"),
    "guards.dissent": msgid("One teacher in so many may say otherwise in a school of one mind"),
    "guards.wrongs_stay": msgid("Only opinions are set aside, what went wrong stays"),
    "guards.low_stays": msgid("Low ratings of a school with somebody at the vendor stay"),
    "evidence.renewal_grace_days": msgid("Days after a term within which another is a renewal"),
    "evidence.serious_percent": msgid(
        "Percent of a line credited from which a dispute has severity 3"
    ),
    "evidence.grave_percent": msgid("Percent from which it has severity 10"),
    "evidence.not_the_vendors": msgid("Grounds of disputes that are never the vendor's fault"),
    "evidence.excused_ends": msgid("Ends of terms that are nobody's fault"),
    "evidence.by_part": msgid("Use under a pack counts for the parts that were used, too"),
    "evidence.part_by_part": msgid(
        "A dispute on a pack weighs on the part that it names, or is shared by use"
    ),
    "evidence.by_share": msgid("How grave it is on that part is told by the part's share by uses"),
    "evidence.least_share_percent": msgid("Percent of the line that a part's share is at least"),
    "evidence.local_days": msgid("Notices and ends of terms are told by the days of Shanghai"),
    "evidence.rating_age_step_days": msgid("Days in steps of which a rating's age counts"),
}
"""By its name, `group.name` for one of a group."""
LABELS: Final = {"evidence.not_the_vendors": "DisputeReason", "evidence.excused_ends": "EndWhy"}


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedNumber:
    """A number of the configuration: in words, its value, and under which name it is published."""

    name: str
    words: str
    value: str


def numbers_of(rules: Rules, locale: str) -> list[PublishedNumber]:
    """Return every number by which a run goes, in the order in which they are published."""
    content = rules.content()
    named = [*_flat(content["ranking"]), *_flat(content["evidence"], group="evidence.")]
    return [
        PublishedNumber(
            name=name,
            words=translate(WHAT_IT_IS[name], locale) if name in WHAT_IT_IS else name,
            value=_shown(name, value, locale),
        )
        for name, value in named
    ]


def _flat(content: Mapping[str, Any], *, group: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, group=f"{group}{name}.")
        elif name != "version":
            yield f"{group}{name}", value


def _shown(name: str, value: Any, locale: str) -> str:
    if isinstance(value, bool):
        return translate(msgid("yes") if value else msgid("no"), locale)
    if name == "bands":
        return " · ".join(f"{one['name']} ≥ {one['least']}" for one in value)
    if name in LABELS:
        return " · ".join(label(one, locale, kind=LABELS[name]) for one in value)
    return " … ".join(value) if isinstance(value, list | tuple) else str(value)
