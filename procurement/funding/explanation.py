"""A line's computation as sentences, for a page, an export or a terminal.

Reads only what was kept with the allocation: what it prints is what was issued, whatever quotas or
rules are in force by now.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from kernel.i18n import label, msgid, translate
from kernel.money import FEN_PER_YUAN, yuan
from procurement.funding.rules import SHORTFALL, HeadcountBasis, Holder, QuotaKind

STEP_LINES: Final = {
    QuotaKind.BASE.value: msgid("{stage}: {pupils} pupils × {quota} yuan = {amount} yuan"),
    SHORTFALL: msgid(
        "short of the floor of {floor}, at the quota of {stage}: "
        "{pupils} pupils × {quota} yuan = {amount} yuan"
    ),
    QuotaKind.BOARDING.value: msgid("boarding: {pupils} pupils × {quota} yuan = {amount} yuan"),
    QuotaKind.HEATING.value: msgid("heating: {pupils} pupils × {quota} yuan = {amount} yuan"),
    QuotaKind.SPECIAL.value: msgid(
        "special education: {pupils} pupils × {quota} yuan = {amount} yuan"
    ),
}
RULE: Final = msgid(
    "Rule of region {region} from {valid_from}: floor {floor} pupils for small rural schools, "
    "share for digital resources {share} (between {minimum} and {maximum}). {origin}"
)
HEADCOUNT: Final = {
    HeadcountBasis.EACH_TERM.value: msgid("Each term goes by its own census."),
    HeadcountBasis.SPRING.value: msgid("Both terms go by the census of spring."),
    HeadcountBasis.AUTUMN.value: msgid("Both terms go by the census of autumn."),
    HeadcountBasis.LAST_AUTUMN.value: msgid(
        "Both terms go by the census of the autumn before the year."
    ),
}
HOLDER: Final = {
    Holder.SCHOOL.value: msgid("The school itself holds the share, on its own line."),
    Holder.BUREAU.value: msgid(
        "The education bureau holds the share for its schools, on its line."
    ),
}
SCHOOL: Final = msgid("School {code} {name}")
POINT: Final = msgid("Teaching point {code} {name}")
SMALL_RURAL: Final = msgid("marked as small rural, the floor applies")
SPRING: Final = msgid("Spring term, census of {as_of}, quotas in force on {day}:")
AUTUMN: Final = msgid("Autumn term, census of {as_of}, quotas in force on {day}:")
STANDS_IN: Final = msgid("the term has no census of its own yet, this one stands in")
KEPT: Final = msgid(
    "not counted in this census, so the count of {as_of} stays: {kind} {stage}, {pupils} pupils"
)
HALF: Final = msgid("half of {year} yuan for the term: {amount} yuan")
SUM: Final = msgid("Entitlement of the year: {entitlement} yuan")
LINE: Final = msgid("× {share} = {exact} yuan, rounded to fen: {line} yuan")
ISSUED: Final = msgid("Issued before: {before} yuan; issued now: {now} yuan")
LISTED: Final = msgid("Allocated by the document {document}: {amount} yuan")
FUND: Final = msgid("Share for digital resources of a fund of {fund} yuan, by {document}:")
RESTRICTED: Final = msgid("It may pay only for: {restriction}")
SHARE: Final = msgid(
    "Rule of region {region} from {valid_from}: share for digital resources {share} "
    "(between {minimum} and {maximum}). {origin}"
)
VERSIONS: Final = (1, 2)
"""Since the second, a rule says which census it goes by and who holds the share."""


def explain(computation: dict[str, Any], *, locale: str = "en") -> list[str]:
    """Return the computation of an allocation line by line; indented lines belong to what is above.

    Raises `ValueError` for data of a version that is not known here.
    """
    if computation["version"] not in VERSIONS:
        raise ValueError(f"unknown version of a computation: {computation['version']}")
    if computation.get("kind") == "listed":
        return _explain_listed(computation, locale=locale)

    def say(text: str, **facts: object) -> str:
        return translate(text, locale).format(**facts)

    rule = computation["rule"]
    lines = [
        say(
            RULE,
            region=rule["region_code"],
            valid_from=rule["valid_from"],
            floor=rule["floor_pupils"],
            share=rule["digital_share"],
            minimum=rule["share_minimum"],
            maximum=rule["share_maximum"],
            origin=rule["origin"],
        )
    ]
    if computation["version"] > 1:
        lines += [say(HEADCOUNT[rule["headcount"]]), say(HOLDER[rule["holder"]])]
    for place in computation["places"]:
        head = say(
            POINT if place["teaching_point"] else SCHOOL, code=place["code"], name=place["name"]
        )
        lines.append(f"{head} · {say(SMALL_RURAL)}" if place["small_rural"] else head)
        for term in place["terms"]:
            lines += _term_lines(term, floor=rule["floor_pupils"], locale=locale)
    lines.append(say(SUM, entitlement=_exact_yuan(computation["entitlement_fen"])))
    lines.append(
        say(
            LINE,
            share=rule["digital_share"],
            exact=_exact_yuan(computation["exact_fen"]),
            line=yuan(computation["line_fen"]),
        )
    )
    if "amount_fen" in computation:
        before, now = computation["issued_before_fen"], computation["amount_fen"]
        lines.append(say(ISSUED, before=yuan(before), now=yuan(now)))
    return lines


def _explain_listed(computation: dict[str, Any], *, locale: str) -> list[str]:
    def say(text: str, **facts: object) -> str:
        return translate(text, locale).format(**facts)

    document, amount = computation["document"], yuan(computation["line_fen"])
    lines = []
    if "rule" in computation:
        rule = computation["rule"]
        lines += [
            say(FUND, fund=yuan(computation["fund_fen"]), document=document),
            say(
                SHARE,
                region=rule["region_code"],
                valid_from=rule["valid_from"],
                share=rule["digital_share"],
                minimum=rule["share_minimum"],
                maximum=rule["share_maximum"],
                origin=rule["origin"],
            ),
            say(
                LINE,
                share=rule["digital_share"],
                exact=_exact_yuan(computation["exact_fen"]),
                line=amount,
            ),
        ]
    else:
        lines.append(say(LISTED, document=document, amount=amount))
    if computation["restriction"]:
        shown = restriction_words(computation["restriction"], locale=locale)
        lines.append(say(RESTRICTED, restriction=shown))
    return lines


def restriction_words(restriction: Mapping[str, Any], *, locale: str) -> str:
    """Return what a line may pay for, in words; nothing for a general line."""
    kinds = {"stages": "Stage", "tiers": "Tier"}
    parts = []
    for name, admitted in sorted(restriction.items()):
        values = [
            label(one, locale, kind=kinds[name]) if name in kinds else str(one) for one in admitted
        ]
        parts.append(f"{label(name, locale, kind='restriction')}: {', '.join(values)}")
    return "; ".join(parts)


def _term_lines(term: dict[str, Any], *, floor: int, locale: str) -> list[str]:
    def say(text: str, **facts: object) -> str:
        return translate(text, locale).format(**facts)

    census = term["census"]
    head = say(
        SPRING if term["term"] == "spring" else AUTUMN,
        as_of=census["as_of"],
        day=term["quotas_of"],
    )
    lines = [f"  {head}"]
    if census["stands_in"]:
        lines.append(f"    ({say(STANDS_IN)})")
    lines += [
        "    ("
        + say(
            KEPT,
            kind=label(one["kind"], locale, kind="CensusKind"),
            stage=label(one["stage"], locale, kind="Stage") if one["stage"] else "",
            pupils=one["pupils"],
            as_of=one["as_of"],
        ).replace(" ,", ",")
        + ")"
        for one in census.get("kept", ())
    ]
    for step in term["steps"]:
        sentence = say(
            STEP_LINES[step["step"]],
            stage=label(step["stage"], locale, kind="Stage") if step["stage"] else "",
            floor=floor,
            pupils=step["pupils"],
            quota=yuan(step["quota_fen"]),
            amount=yuan(step["amount_fen"]),
        )
        lines.append(f"    {sentence}")
    half = say(HALF, year=yuan(term["year_fen"]), amount=_exact_yuan(term["term_fen"]))
    lines.append(f"    {half}")
    return lines


def _exact_yuan(fen: str) -> str:
    """Show an exact amount of fen, given as decimal text, in yuan with all its decimals."""
    amount = Decimal(fen) / FEN_PER_YUAN
    places = max(2, -int(amount.normalize().as_tuple().exponent))
    return f"{amount:,.{places}f}"
