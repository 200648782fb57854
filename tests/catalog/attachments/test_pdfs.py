"""PDF documents that run something are refused, however they say so."""

import io
import zlib

import pytest

from catalog.attachments.pdfs import CHUNK_BYTES, require_passive_pdf
from kernel.errors import AttachmentActive, AttachmentBomb, AttachmentBroken, AttachmentSealed
from tests.support.file_builders import a_pdf

RUNS = "/S/JavaScript/JS(app.alert(1))"


def look(content: bytes) -> None:
    require_passive_pdf(io.BytesIO(content), name="讲义.pdf")


def objects(content: bytes, *, packing: str = "/Filter/FlateDecode") -> bytes:
    """Return a stream of objects that holds this, as it is packed already."""
    return f"<</Type/ObjStm{packing}>>\nstream\r\n".encode() + content + b"\nendstream"


@pytest.mark.parametrize(
    "content",
    [
        a_pdf(f"/OpenAction<<{RUNS}>>"),
        a_pdf("/AA<</O<</S/J#61vaScr#69pt/JS 2 0 R>>>>"),
        a_pdf("/A<</S/Launch/F(cmd.exe)>>"),
        a_pdf("/Names<</JavaScript 3 0 R>>"),
        a_pdf(f"/A<<{RUNS}>>", before=b"%" * (CHUNK_BYTES - 60)),
        a_pdf(objects(zlib.compress(f"1 0 <<{RUNS}>>".encode()))),
        a_pdf(objects(zlib.compress(b" " * (CHUNK_BYTES - 9) + RUNS.encode()))),
        a_pdf(objects(f"1 0 <<{RUNS}>>".encode(), packing="")),
    ],
)
def test_a_document_that_runs_something_is_refused(content):
    with pytest.raises(AttachmentActive) as refused:
        look(content)

    assert refused.value.facts["found"] in {"JavaScript", "Launch"}


@pytest.mark.parametrize(
    "content",
    [
        a_pdf("/OpenAction[3 0 R/Fit]/Launches 1/A<</S/URI/URI(https://example.org)>>"),
        a_pdf(objects(zlib.compress(b"1 0 <</Type/Catalog>>"))),
        a_pdf(objects(b"1 0 <</Type/Catalog>>", packing="")),
        a_pdf("(about /ObjStm)"),
    ],
)
def test_a_document_that_only_shows_is_kept(content):
    look(content)


def test_objects_into_which_nobody_can_look_are_refused():
    with pytest.raises(AttachmentBroken):
        look(a_pdf(objects(b"no zlib")))
    with pytest.raises(AttachmentSealed):
        look(a_pdf(objects(b"no zlib"), b"/Encrypt 4 0 R"))
    with pytest.raises(AttachmentBomb):
        look(a_pdf(*[objects(zlib.compress(b" " * 30_000_000))] * 4))
    with pytest.raises(AttachmentBomb):
        look(a_pdf(b"/ObjStm " * 10_001))
