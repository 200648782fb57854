"""What the first bytes of a file say, whether it came by itself or in an archive. Pure."""

from typing import Final

import puremagic

from catalog.attachments.kinds import ACTIVE, PROGRAMS

HEAD_BYTES: Final = 8_192
"""How many of them are looked at."""
PROGRAM_MAGIC: Final = (
    *(b"MZ", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf"),
    *(b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\0asm", b"#!", b"dex\n", b"!<arch>\n"),
)
"""How programs begin: Windows, Linux, Java and macOS, WebAssembly, scripts, Android, archives."""
PDF_MAGIC: Final = b"%PDF"


def guessed(head: bytes) -> str:
    """Return the ending by which the library calls what begins so; nothing if it knows none."""
    try:
        return str(puremagic.magic_string(head)[0].extension).lower()
    except (puremagic.PureError, ValueError):
        return ""


def is_program(head: bytes) -> bool:
    """Whether it is a program beyond doubt, by how all of its kind begin."""
    return head.startswith(PROGRAM_MAGIC)


def kind_of_program(head: bytes) -> str:
    """Return what people call a program that begins so."""
    found = guessed(head).removeprefix(".")
    if found:
        return found
    return "script" if head.startswith(b"#!") else "program"


def may_run(head: bytes) -> bool:
    """Whether it is a program, or the library takes it for one."""
    return is_program(head) or guessed(head) in PROGRAMS


def is_page(head: bytes) -> bool:
    """Whether a browser would show it as a page."""
    return guessed(head) in ACTIVE


def is_drawing(head: bytes) -> bool:
    """Whether it is SVG, under whatever declarations and comments it begins."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith(b"<") and b"<svg" in head.lower()


def is_pdf(head: bytes) -> bool:
    return head.startswith(PDF_MAGIC)
