"""SVG drawings: kept only if they consist of what draws, and reach out to nothing.

Decides by lists of what is harmless (`drawing_words`): elements, attributes, functions of styles.
An address is a place in the drawing itself, or a picture that it carries.
"""

import re
from typing import IO, Final
from xml.parsers import expat

from catalog.attachments.drawing_words import (
    ANIMATED,
    ATTRIBUTES,
    ELEMENTS,
    FUNCTIONS,
    INERT,
    INERT_STARTS,
    NOTES,
    OF_XLINK,
    OF_XML,
    SVG,
    XLINK,
    XML,
)
from kernel.errors import AttachmentActive, AttachmentBroken, AttachmentTooLarge

MOST_MB: Final = 20
"""What a drawing may be. It is read at once: in pieces, a long word is read anew with each."""
PICTURE: Final = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=\s]*")
PICTURES_IN: Final = frozenset({"image", "feImage"})
CALL: Final = re.compile(r"(?<![\w-])([\w-]++)\(")
URL: Final = re.compile(
    r"url\(\s{0,9}(?:#[^\s()'\"]{1,200}|'#[^']{1,200}'|\"#[^\"]{1,200}\")\s{0,9}\)", re.IGNORECASE
)
"""A place in the drawing itself. Bounded, as all of these: no text makes them slow."""
CALLS_URL: Final = re.compile(r"url\(", re.IGNORECASE)
W3C: Final = ("-//W3C//DTD SVG", "http://www.w3.org/")
"""How the document types of SVG itself begin, which no browser fetches."""


def require_passive_drawing(file: IO[bytes], *, name: str) -> None:
    """Raise `AttachmentActive` for what a drawing may not hold, `AttachmentBroken` for bad XML.

    `AttachmentTooLarge` for one beyond its own limit.

    Entities are refused, too: they multiply, and they hide what an address says.
    """
    reading = _Reading(name)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reading.begin
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    parser.StartDoctypeDeclHandler = reading.document_type
    parser.EntityDeclHandler = lambda *_facts: reading.refuse("<!ENTITY>")
    parser.ProcessingInstructionHandler = reading.instruction
    file.seek(0)
    content = file.read(MOST_MB * 1_000_000 + 1)
    if len(content) > MOST_MB * 1_000_000:
        raise AttachmentTooLarge(file=name, most_mb=MOST_MB)
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise AttachmentBroken(file=name, reason=f"XML: {error}") from None


class _Reading:
    """One drawing as it is read; `style`: what stands in the style that is open, piece by piece."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.style: list[str] | None = None

    def refuse(self, found: str) -> None:
        raise AttachmentActive(file=self.name, found=found)

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        space, _, element = tag.rpartition(" ")
        if space in NOTES and self.style is None:
            return
        if space not in (SVG, "") or element not in ELEMENTS or self.style is not None:
            self.refuse(f"<{element}>")
        for key, value in attributes.items():
            space, _, attribute = key.rpartition(" ")
            if not self._is_harmless(element, space, attribute, value):
                self.refuse(f"{attribute}=…")
        if element == "style":
            self.style = []

    def text(self, data: str) -> None:
        if self.style is not None:
            self.style.append(data)

    def end(self, _tag: str) -> None:
        # Only whole: references and comments cut a word into pieces, which the browser joins.
        if self.style is not None and not _is_harmless_style("".join(self.style)):
            self.refuse("<style>")
        self.style = None

    def document_type(
        self, _name: str, system: str | None, public: str | None, has_subset: int
    ) -> None:
        is_known = (public or "").startswith(W3C[0]) and (system or "").startswith(W3C[1])
        if has_subset or ((system or public) and not is_known):
            self.refuse("<!DOCTYPE>")

    def instruction(self, target: str, _data: str) -> None:
        if target.lower() == "xml-stylesheet":
            self.refuse(target)

    @staticmethod
    def _is_harmless(element: str, space: str, attribute: str, value: str) -> bool:
        if space in NOTES:
            return True
        if attribute == "href" and space in ("", XLINK):
            return _is_harmless_address(element, value)
        if space:
            return attribute in {XLINK: OF_XLINK, XML: OF_XML}.get(space, ())
        if attribute == "attributeName":
            return value.strip() in ANIMATED
        if attribute in INERT or attribute.startswith(INERT_STARTS):
            return True
        return (attribute == "style" or attribute in ATTRIBUTES) and _is_harmless_style(value)


def _is_harmless_address(element: str, value: str) -> bool:
    bare = value.strip()
    if bare.startswith("#") or not bare:
        return True
    return element in PICTURES_IN and PICTURE.fullmatch(bare) is not None


def _is_harmless_style(text: str) -> bool:
    """Whether a style or a value of one calls nothing but what is known; escapes hide words."""
    if "\\" in text or "@" in text:
        return False
    if any(name.lower() not in FUNCTIONS for name in CALL.findall(text)):
        return False
    return CALLS_URL.search(URL.sub("", text)) is None
