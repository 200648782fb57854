"""Files as people send them, honest and otherwise, made in memory."""

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping

from catalog.attachments.attaching import attach, expect_file
from catalog.attachments.sniffing import Rules, type_of
from catalog.attachments.vault import Vault
from catalog.drafts import save_draft
from catalog.resources import CatalogueRow
from catalog.submissions import submit
from kernel.identity.models import Organisation
from kernel.ids import VersionId
from kernel.unit import Unit
from tests.support.admission_builders import a_self_check
from tests.support.builders import admit

RULES = Rules(most_bytes=1_000_000)
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0) + b"\x90wS\xde"
    b"\0\0\0\x0cIDATx\x9cc\xf8\xff\xff?\0\x05\xfe\x02\xfe\xa75\x81\x84\0\0\0\0IEND\xaeB`\x82"
)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\0" * 64
MP3 = b"ID3\x04\0\0\0\0\0\x23" + b"\0" * 80
PROGRAM = b"MZ\x90\0" + b"\0" * 56 + struct.pack("<I", 64) + b"PE\0\0" + b"\0" * 100
DRAWING = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0h9"/></svg>'
CONTENT_TYPES = (
    b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override '
    b'PartName="/word/document.xml" ContentType="application/vnd.%s+xml"/></Types>'
)
PLAIN = b"openxmlformats-officedocument.wordprocessingml.document.main"
WITH_MACROS = b"ms-word.document.macroEnabled.main"


def a_drawing(inside: str, *, before: str = "") -> bytes:
    """Return an SVG drawing that holds this."""
    return (
        f'<?xml version="1.0"?>{before}<svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{inside}</svg>'
    ).encode()


def a_pdf(*inside: str | bytes, before: bytes = b"") -> bytes:
    """Return a PDF document, each of whose objects holds one of these."""
    held = [one if isinstance(one, bytes) else f"<<{one}>>".encode() for one in inside]
    numbered = (b"%d 0 obj\n" % (at + 1) + one + b"\nendobj\n" for at, one in enumerate(held))
    return b"%PDF-1.7\n" + before + b"\n" + b"".join(numbered) + b"trailer\n<<>>\n%%EOF\n"


def an_archive(files: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP archive of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def a_document(*, macros: bool = False, folder: str = "word") -> bytes:
    """Return a document as Word (or another, by its folder) saves it."""
    files = {
        "[Content_Types].xml": CONTENT_TYPES % (WITH_MACROS if macros else PLAIN),
        f"{folder}/document.xml": b"<document/>",
    }
    if macros:
        files[f"{folder}/vbaProject.bin"] = b"\xd0\xcf\x11\xe0 macros"
    return an_archive(files)


def a_bomb() -> bytes:
    """Return an archive of some hundred kilobytes that unpacks to 100 MB."""
    return an_archive({f"{number}.txt": b"\0" * 10_000_000 for number in range(10)})


def a_nested_bomb(depth: int = 5) -> bytes:
    packed = b"\0" * 1_000
    for number in range(depth):
        packed = an_archive({f"{number}.zip" if number else "0.txt": packed})
    return packed


def an_old_document(*, macros: bool = False) -> bytes:
    """Return a compound file with the streams of a Word document, by hand: header, FAT, entries.

    Sector 0 is the allocation table, 1 the directory; the streams are empty.
    """
    free, end, table = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + b"\0" * 16
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
        + b"\0" * 6
        + struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0)
        + struct.pack("<I", 0)
        + struct.pack("<I", free) * 108
    )
    allocation = struct.pack("<II", table, end) + struct.pack("<I", free) * 126
    second = _entry("Macros", 1) if macros else _entry("", 0)
    directory = (
        _entry("Root Entry", 5, child=1)
        + _entry("WordDocument", 2, right=2 if macros else free)
        + second
        + _entry("", 0)
    )
    return header + allocation + directory


def a_listed_version_with(
    unit: Unit,
    vendor: Organisation,
    content: Mapping[str, bytes],
    *,
    vault: Vault,
    sku: str = "FILES",
    purpose: str = "content",
) -> VersionId:
    """Draft, attach, submit and admit a version with these files, as the system."""
    row = CatalogueRow(
        vendor_code=vendor.code, sku=sku, title="带文件的资源", kind="basic", tier="basic"
    )
    version_id = save_draft(unit, row)
    for name, one in content.items():
        digest = hashlib.sha256(one).hexdigest()
        found = type_of(io.BytesIO(one), name=name, size_bytes=len(one), rules=RULES)
        expect_file(
            unit,
            version_id,
            name=name,
            digest=digest,
            size_bytes=len(one),
            media_type=found.media_type,
        )
        vault.keep(digest, io.BytesIO(one))
        attach(unit, version_id, name=name, digest=digest, purpose=purpose)
    submit(unit, version_id, a_self_check())
    admit(unit, [version_id])
    return version_id


def _entry(name: str, kind: int, *, right: int = 0xFFFFFFFF, child: int = 0xFFFFFFFF) -> bytes:
    encoded = (name + "\0").encode("utf-16-le") if name else b""
    return (
        encoded.ljust(64, b"\0")
        + struct.pack("<HBB", len(encoded), kind, 1)
        + struct.pack("<III", 0xFFFFFFFF, right, child)
        + b"\0" * 36
        + struct.pack("<IQ", 0xFFFFFFFE, 0)
    )
