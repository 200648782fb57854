"""SVG drawings: kept only if nothing in them runs or reaches out (scripts, references)."""

from typing import IO, Final
from xml.parsers import expat

from kernel.errors import AttachmentActive, AttachmentBroken

RUNS: Final = frozenset(
    {"script", "foreignobject", "iframe", "embed", "object", "handler", "listener", "set"}
)
"""Elements that run, hold another document, or (`set`) can write an address that runs."""
ADDRESSES: Final = frozenset({"href", "src", "from", "to", "values", "action"})
HARMLESS: Final = ("#", "data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp")
"""What an address may be: a place in the drawing itself, or a picture that it carries."""
ADDRESS_STARTS: Final = ("http:", "https:", "//", "javascript:", "data:", "vbscript:", "file:")


def require_passive_drawing(file: IO[bytes], *, name: str) -> None:
    """Raise `AttachmentActive` for a drawing that could run, `AttachmentBroken` for bad XML.

    Entities are refused, too: they multiply, and they hide what an address says.
    """
    parser = expat.ParserCreate(namespace_separator=" ")

    def refuse(found: str) -> None:
        raise AttachmentActive(file=name, found=found)

    def element(tag: str, attributes: dict[str, str]) -> None:
        plain = tag.rpartition(" ")[2].lower()
        if plain in RUNS:
            refuse(f"<{plain}>")
        for key, value in attributes.items():
            attribute = key.rpartition(" ")[2].lower()
            if attribute.startswith("on"):
                refuse(attribute)
            if _reaches_out(attribute, value):
                refuse(f"{attribute}=…")

    def text(data: str) -> None:
        if "@import" in data.lower():
            refuse("@import")

    def entity(*_facts: object) -> None:
        refuse("<!ENTITY>")

    def instruction(target: str, _data: str) -> None:
        if target.lower() == "xml-stylesheet":
            refuse(target)

    parser.StartElementHandler = element
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = entity
    parser.ProcessingInstructionHandler = instruction
    file.seek(0)
    try:
        parser.ParseFile(file)
    except expat.ExpatError as error:
        raise AttachmentBroken(file=name, reason=f"XML: {error}") from None


def _reaches_out(attribute: str, value: str) -> bool:
    bare = "".join(value.split()).lower()
    if attribute in ADDRESSES:
        return bare.startswith(ADDRESS_STARTS) and not bare.startswith(HARMLESS)
    return "url(http" in bare or "url('http" in bare or 'url("http' in bare or "javascript:" in bare
