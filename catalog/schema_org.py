"""A listed resource in the words of schema.org's LearningResource (LRMI), for machines.

The crosswalk is in docs/guides/metadata.md; what neither side has a field for is left out.
"""

from typing import Any

from catalog.kinds import ResourceKind
from catalog.storefront import Detail
from catalog.vocabularies import VOCABULARIES
from kernel.i18n import DEFAULT_LOCALE, label, term

CONTEXT = "https://schema.org"


def learning_resource(detail: Detail) -> dict[str, Any]:
    """Return the JSON-LD of a resource; the texts are Chinese, as they are stored."""
    hit, stated = detail.hit, detail.details
    levels = [
        label(hit.stage, DEFAULT_LOCALE, kind="Stage") if hit.stage else "",
        hit.grade,
        label(hit.tier, DEFAULT_LOCALE, kind="Tier"),
    ]
    known: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "LearningResource",
        "identifier": {"@type": "PropertyValue", "propertyID": hit.vendor_code, "value": hit.sku},
        "name": hit.title,
        "version": str(detail.versions[0].number) if detail.versions else "",
        "educationalLevel": [level for level in levels if level],
        "about": hit.subject,
        "learningResourceType": hit.type,
        "inLanguage": stated.get("language", ""),
        "license": hit.licence,
        "author": {"@type": "Person", "name": stated["author"]} if stated.get("author") else "",
        "provider": {
            "@type": "Organization",
            "identifier": hit.vendor_code,
            "name": hit.vendor_name,
        },
        "keywords": list(stated.get("keywords", ())),
        "isAccessibleForFree": hit.kind == ResourceKind.BASIC or hit.unit_price == 0,
        "educationalAlignment": _alignments(detail),
        "interactionRequirements": _requirements(detail),
        "hasPart": [
            {"@type": "LearningResource", "identifier": f"{hit.vendor_code}/{part}"}
            for part in stated.get("parts", ())
        ],
        "url": stated.get("address", ""),
    }
    return {name: value for name, value in known.items() if value not in ("", [], None)}


def _alignments(detail: Detail) -> list[dict[str, str]]:
    hit = detail.hit
    chapter = str(detail.details.get("chapter", ""))
    found = [("educationalSubject", "", hit.subject), ("textbook", hit.edition, chapter)]
    return [
        {"@type": "AlignmentObject", "alignmentType": kind}
        | ({"educationalFramework": framework} if framework else {})
        | ({"targetName": name} if name else {})
        for kind, framework, name in found
        if framework or name
    ]


def _requirements(detail: Detail) -> str:
    stated = detail.details
    offline = str(stated.get("offline", ""))
    parts = [
        f"{stated['bandwidth_mbps']} Mbit/s" if stated.get("bandwidth_mbps") else "",
        *(
            term(one, DEFAULT_LOCALE, kind=VOCABULARIES["device"].kind)
            for one in stated.get("devices", ())
        ),
        label(offline, DEFAULT_LOCALE, kind="Offline") if offline else "",
        str(stated.get("conditions", "")),
    ]
    return ";".join(part for part in parts if part)
