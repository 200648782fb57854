"""How facets, prices and reasons read, in the reader's language."""

from collections.abc import Mapping
from typing import Any, Final

from catalog.plan_words import plan_words
from catalog.search import Hit, Why
from catalog.vocabularies import VOCABULARIES
from kernel.i18n import label, msgid, term, translate

FACET_TITLES: Final = {
    "stage": msgid("Stage"),
    "subject": msgid("Subject"),
    "grade": msgid("Grade"),
    "edition": msgid("Textbook edition"),
    "type": msgid("Type"),
    "language": msgid("Language"),
    "reach": msgid("Fit for"),
    "kind": msgid("Kind"),
    "tier": msgid("Tier"),
    "price": msgid("Price"),
    "plan": msgid("Paid by"),
    "licence": msgid("Licence"),
    "vendor": msgid("Vendor"),
}
LABELS: Final = {
    "stage": "Stage",
    "language": "language",
    "reach": "Reach",
    "kind": "ResourceKind",
    "tier": "Tier",
    "plan": "Plan",
    "price": "PriceFacet",
}
"""Facets whose words are codes, by the context of their names; the others have terms."""
WHY: Final = {
    Why.IN_TITLE: msgid("“{words}” in the title"),
    Why.DESCRIBES_IT: msgid("“{words}” among its keywords, subject or grade"),
    Why.NAMED: msgid("“{words}” in its vendor, author, chapter or article number"),
    Why.RENEWED: msgid("schools that renewed it: {renewals}"),
    Why.USED: msgid("schools that chose it: {schools}"),
    Why.NEW: msgid("listed on {day}"),
    Why.PRICED: msgid("by its unit price"),
    Why.RANKED: msgid("by its ranking"),
    Why.KEPT_FOR_NEWCOMERS: msgid("a place kept for newcomers"),
    Why.NOT_RANKED_YET: msgid("not ranked yet: too little is known"),
}
BETWEEN: Final = msgid("; ")
ANY_STAGE: Final = msgid("any stage")
BESIDE: Final = " · "
UNPRICED: Final = msgid("no price yet")


def word_of(facet: str, word: str, locale: str) -> str:
    """Return how a facet's word reads."""
    if facet in LABELS:
        return label(word, locale, kind=LABELS[facet])
    if facet in VOCABULARIES:
        return term(word, locale, kind=VOCABULARIES[facet].kind)
    return word


def suits_words(hit: Hit, locale: str) -> str:
    """Return for whom a hit is made; a stage that is not stated is any."""
    stage = word_of("stage", hit.stage, locale) if hit.stage else translate(ANY_STAGE, locale)
    stated = (("grade", hit.grade), ("subject", hit.subject), ("edition", hit.edition))
    return BESIDE.join([stage, *(word_of(name, word, locale) for name, word in stated if word)])


def why_words(hit: Hit, words: str, locale: str) -> str:
    """Return why a hit stands where it stands."""
    facts = {
        "words": words,
        "renewals": hit.renewals,
        "schools": hit.schools,
        "day": hit.listed_at.date().isoformat(),
    }
    said = [translate(WHY[why], locale).format(**facts) for why in hit.why[:2]]
    return translate(BETWEEN, locale).join(said)


def price_words(plan: Mapping[str, Any] | None, locale: str) -> str:
    return plan_words(plan, locale) if plan else translate(UNPRICED, locale)
