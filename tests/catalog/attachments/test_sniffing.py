"""What a file is by its content, and what is not kept under any name."""

import io
import random
import zipfile

import pytest

from catalog.attachments.sniffing import Rules, type_of
from kernel.errors import (
    AttachmentActive,
    AttachmentBomb,
    AttachmentBroken,
    AttachmentEmpty,
    AttachmentExecutable,
    AttachmentMacros,
    AttachmentMisnamed,
    AttachmentPackedOtherwise,
    AttachmentRefused,
    AttachmentSealed,
    AttachmentTooLarge,
    AttachmentTypeRefused,
)
from tests.support.file_builders import (
    DRAWING,
    MP3,
    MP4,
    PDF,
    PNG,
    PROGRAM,
    RULES,
    a_bomb,
    a_document,
    a_drawing,
    a_nested_bomb,
    a_pdf,
    an_archive,
    an_old_document,
)

WEBM = (
    b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm"
    + b"\0" * 9
)
EPUB = an_archive({"mimetype": b"application/epub+zip", "META-INF/container.xml": b""})
ODT = an_archive({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b""})


def look(content: bytes, name: str, *, rules: Rules = RULES) -> str:
    """Return the media type that is found."""
    file = io.BytesIO(content)
    return type_of(file, name=name, size_bytes=len(content), rules=rules).media_type


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("课件.pdf", PDF, "application/pdf"),
        ("图.png", PNG, "image/png"),
        ("图.JPG", b"\xff\xd8\xff\xe0\0\x10JFIF\0" + b"\0" * 50, "image/jpeg"),
        ("动图.gif", b"GIF89a" + b"\0" * 20, "image/gif"),
        ("图.webp", b"RIFF\x20\0\0\0WEBPVP8 " + b"\0" * 30, "image/webp"),
        ("听力.mp3", MP3, "audio/mpeg"),
        ("听力.m4a", b"\0\0\0\x20ftypM4A \0\0\2\0M4A mp42isom" + b"\0" * 30, "audio/mp4"),
        ("听力.wav", b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 20, "audio/wav"),
        ("听力.ogg", b"OggS\0\2" + b"\0" * 40, "audio/ogg"),
        ("微课.mp4", MP4, "video/mp4"),
        ("微课.webm", WEBM, "video/webm"),
        ("图.svg", DRAWING, "image/svg+xml"),
        ("说明.txt", "你好，世界".encode(), "text/plain"),
        ("旧.txt", "你好，世界".encode("gb18030"), "text/plain"),
        ("字幕.srt", "1\n00:00 --> 00:02\n你好".encode("utf-16"), "text/plain"),
        ("资料.zip", an_archive({"a/图.png": PNG, "读我.txt": b"x"}), "application/zip"),
        (
            "教案.docx",
            a_document(),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (
            "课件.pptx",
            a_document(folder="ppt"),
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
        (
            "表.xlsx",
            a_document(folder="xl"),
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        ("书.epub", EPUB, "application/epub+zip"),
        ("文.odt", ODT, "application/vnd.oasis.opendocument.text"),
        ("旧教案.doc", an_old_document(), "application/msword"),
    ],
)
def test_a_file_is_what_its_content_says(name, content, media_type):
    assert look(content, name) == media_type


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (PROGRAM, AttachmentExecutable),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 60, AttachmentExecutable),
        (b"\xcf\xfa\xed\xfe" + b"\0" * 60, AttachmentExecutable),
        (b"\xca\xfe\xba\xbe\0\0\0\x34" + b"\0" * 60, AttachmentExecutable),
        (b"#!/bin/sh\nrm -rf /\n", AttachmentExecutable),
        (b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F" + b"\0" * 30, AttachmentExecutable),
        (an_archive({"lesson/setup.exe": b"x"}), AttachmentExecutable),
        (an_archive({"lesson/picture.png": PROGRAM}), AttachmentExecutable),
        (an_archive({"inner.zip": an_archive({"a.dll": b"x"})}), AttachmentExecutable),
        (b"<!doctype html><html><script>1</script></html>", AttachmentActive),
        (b"Rar!\x1a\x07\x01\0" + b"\0" * 20, AttachmentTypeRefused),
        (b"\x00\x01\x02 not text", AttachmentTypeRefused),
        (b"\0" * 100, AttachmentTypeRefused),
        (PNG, AttachmentMisnamed),
        (b"", AttachmentEmpty),
        (b"PK\x03\x04 cut off", AttachmentBroken),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, AttachmentBroken),
        (a_bomb(), AttachmentBomb),
        (a_nested_bomb(), AttachmentBomb),
        (an_archive({f"{number}": b"" for number in range(10_001)}), AttachmentBomb),
        (an_archive({"../../etc/passwd": b"x"}), AttachmentBroken),
        (a_document(macros=True), AttachmentMacros),
        (an_archive({"inner.docx": a_document(macros=True)}), AttachmentMacros),
        (an_old_document(macros=True), AttachmentMacros),
    ],
)
def test_what_is_not_kept_is_refused_under_a_harmless_name(content, error):
    """Each refusal names the file, the reason and what to do."""
    with pytest.raises(error) as refused:
        look(content, "教案.pdf")

    said = str(refused.value)
    assert refused.value.facts["file"] == "教案.pdf" and "教案.pdf" in said
    assert refused.value.remedy


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<SCRIPT xlink:href="x"/>',
        '<path onload="alert(1)"/>',
        '<a href="javascript:alert(1)"><path/></a>',
        '<a xlink:href="java&#10;script:alert(1)"><path/></a>',
        '<image href="https://elsewhere.example/x.png"/>',
        '<image href="data:text/html,x"/>',
        '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>',
        '<path style="fill:url(http://elsewhere.example/x)"/>',
        "<style>@import 'x.css';</style>",
        '<animate attributeName="href" to="javascript:alert(1)"/>',
        '<set attributeName="onclick" to="alert(1)"/>',
        '<set attributeName="style" to="fill:red"/>',
        '<animate attributeName="href" values="#;javascript:alert(1)"/>',
        '<animate attributeName="xlink:href" values="#a;#b"/>',
        '<a href="/sign-out"><path/></a>',
        '<a href="sign-out"><path/></a>',
        '<use href="data:image/svg+xml;base64,AA=="/>',
        '<image href="data:image/svg+xml;base64,AA=="/>',
        '<g xml:base="https://elsewhere.example/"/>',
        '<path ping="https://elsewhere.example/"/>',
        '<path style="fill:url(//elsewhere.example)"/>',
        '<path style="fill:ur\\6c(https://elsewhere.example)"/>',
        "<path style=\"background:image-set('https://elsewhere.example' 1x)\"/>",
        '<path fill="url( &#104;ttps://elsewhere.example )"/>',
        '<path fill="URL(elsewhere.svg#a)"/>',
        '<path fill="url(#a) url(b)"/>',
        "<style>@im&#112;ort 'https://elsewhere.example';</style>",
        "<style>@im<!-- -->port 'https://elsewhere.example';</style>",
        "<style>@\\69mport 'https://elsewhere.example';</style>",
        "<style>path{fill:url(https://elsewhere.example)}</style>",
        "<style>path{fill:u<!-- -->rl(https://elsewhere.example)}</style>",
        "<style><g/></style>",
        "<style><dc:a xmlns:dc='http://purl.org/dc/terms/'/>@import 'https://a.example';</style>",
        '<p xmlns="http://www.w3.org/1999/xhtml"/>',
        '<video src="#a"/>',
    ],
)
def test_a_drawing_that_runs_or_reaches_out_is_refused(inside):
    with pytest.raises(AttachmentActive) as refused:
        look(a_drawing(inside), "图.svg")

    assert refused.value.facts["found"]


@pytest.mark.parametrize(
    "before",
    [
        '<!DOCTYPE svg SYSTEM "http://elsewhere.example/x.dtd">',
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://elsewhere.example/x.dtd">',
        "<!DOCTYPE svg [<!ATTLIST path fill CDATA 'red'>]>",
        '<?xml-stylesheet href="https://elsewhere.example/x.css"?>',
    ],
)
def test_a_drawing_that_names_what_is_elsewhere_in_its_head_is_refused(before):
    with pytest.raises(AttachmentActive):
        look(a_drawing("<path/>", before=before), "图.svg")


def test_a_drawing_ends_at_its_own_limit():
    with pytest.raises(AttachmentTooLarge) as refused:
        look(a_drawing(" " * 20_000_000), "图.svg", rules=Rules(most_bytes=100_000_000))

    assert refused.value.facts["most_mb"] == 20


def test_a_drawing_with_entities_is_refused():
    before = '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    with pytest.raises(AttachmentActive):
        look(a_drawing("<text>&b;</text>", before=before), "图.svg")


@pytest.mark.parametrize(
    ("inside", "before"),
    [
        ('<defs><g id="a"/></defs><use href="#a"/>', ""),
        ('<image href="data:image/png;base64,AA=="/>', ""),
        ('<image xlink:href="data:image/jpeg;base64,AA&#10;BB" width="1" height="1"/>', ""),
        (
            (
                '<g id="图层_1" data-name="图层 (1)" style="fill:url(#a);color:rgb(1,2,3)">'
                '<path d="M0 0h9" transform="rotate(45)" clip-path="url(\'#b\')"/></g>'
            ),
            (
                '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
                '"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
            ),
        ),
        ("<style>.st0{fill:#FFF;filter:url(#f)} .st1:not(.st0){opacity:.5}</style>", ""),
        ("<style><![CDATA[text > tspan {font-family:'KaiTi', serif}]]></style>", ""),
        (
            (
                '<metadata><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
                '<c:Work xmlns:c="http://creativecommons.org/ns#" r:about=""/></r:RDF></metadata>'
            ),
            "",
        ),
        (
            (
                '<circle r="1"><animate attributeName="r" values="1;9" dur="2s"/>'
                '<animateTransform attributeName="transform" type="rotate" to="9"/></circle>'
            ),
            "",
        ),
    ],
)
def test_a_drawing_as_programs_save_it_is_kept(inside, before):
    assert look(a_drawing(inside, before=before), "图.svg") == "image/svg+xml"


def test_the_files_by_which_a_document_says_what_it_is_are_never_read_beyond_a_bound():
    """They are read whole, so noise beside them earns them no more."""
    noise = random.Random(1).randbytes(1_000_000)
    bombs = [
        an_archive({"[Content_Types].xml": b" " * 9_000_000, "ppt/x": b"x", "noise": noise}),
        an_archive({"mimetype": b"a" * 9_000_000, "content.xml": b"", "noise": noise}),
    ]
    for bomb in bombs:
        with pytest.raises(AttachmentBomb) as refused:
            look(bomb, "课件.pptx", rules=Rules(most_bytes=100_000_000))
        assert refused.value.facts["most_mb"] == 4


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_unpacks_in_one_piece_is_not_unpacked(method):
    """A few bytes of these become gigabytes at once; broken ones are broken in their own way."""
    content = an_archive({"a.txt": b"\0" * 1_000_000}, method=method)
    broken = bytearray(content)
    broken[60:80] = b"\xff" * 20

    for one in (content, bytes(broken)):
        with pytest.raises(AttachmentPackedOtherwise) as refused:
            look(one, "资料.zip")
        assert refused.value.facts["inner"] == "a.txt"


@pytest.mark.parametrize("name", ["屏保.SCR ", "屏保.scr.", "屏保.exe. ."])
def test_a_program_hides_behind_no_trailing_blank(name):
    with pytest.raises(AttachmentExecutable):
        look(an_archive({name: b"x"}), "资料.zip")


def test_a_broken_old_document_is_refused_without_the_words_of_python():
    """Its header says sectors so large that their size is no number any more."""
    content = bytearray(an_old_document())
    content[31] = 0xFF
    with pytest.raises(AttachmentBroken) as refused:
        look(bytes(content), "旧.doc")

    assert refused.value.facts["reason"] == "OLE"


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("运行.sh", b"echo 1", AttachmentExecutable),
        ("运行.js", b"let a = 1", AttachmentExecutable),
        ("运行.txt", b"#!/bin/sh\nrm -rf /\n", AttachmentExecutable),
        ("练习.py", b"#!/bin/sh\n", AttachmentExecutable),
        ("页.txt", b"<!doctype html><html><script>1</script></html>", AttachmentActive),
        ("页.html", "<p>你好".encode(), AttachmentActive),
        ("图.svg", a_drawing("<script>alert(1)</script>"), AttachmentActive),
        ("图.png", a_drawing('<path onload="alert(1)"/>'), AttachmentActive),
        ("图.svg", a_drawing("<script/>").decode().encode("utf-16"), AttachmentActive),
        ("讲义.pdf", a_pdf("/OpenAction<</S/JavaScript/JS(app.alert)>>"), AttachmentActive),
    ],
)
def test_what_is_refused_by_itself_is_refused_in_an_archive(name, content, error):
    for packed in (
        an_archive({f"课/{name}": content}),
        an_archive({"内.zip": an_archive({name: content})}),
    ):
        with pytest.raises(error) as refused:
            look(packed, "资料.zip")
        assert name in str(refused.value)


def test_an_archive_holds_what_lessons_need():
    files = {
        "练习.py": b"import math\nprint(math.pi)\n",
        "图.svg": DRAWING,
        "讲义.pdf": PDF,
        "数据.csv": "甲,乙\n1,2\n".encode("gb18030"),
        "教案.docx": a_document(),
        "书.epub": EPUB,
    }
    assert look(an_archive(files), "资料.zip") == "application/zip"


def test_a_book_consists_of_pages_that_run_nothing():
    page = b'<html xmlns="http://www.w3.org/1999/xhtml"><body>%s</body></html>'
    for inside, is_kept in ((b"<p>1</p>", True), (b"<script>1</script>", False)):
        book = an_archive(
            {"mimetype": b"application/epub+zip", "OEBPS/1.xhtml": page % (b" " * 65_480 + inside)}
        )
        if is_kept:
            assert look(book, "书.epub") == "application/epub+zip"
            continue
        with pytest.raises(AttachmentActive):
            look(book, "书.epub")


def test_an_archive_under_a_password_can_not_be_looked_into():
    content = bytearray(an_archive({"a.txt": b"hello"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1

    with pytest.raises(AttachmentSealed):
        look(bytes(content), "资料.zip")


def test_macros_are_kept_where_the_installation_allows_them():
    rules = Rules(most_bytes=1_000_000, allows_macros=True)

    assert look(a_document(macros=True), "教案.docm", rules=rules).endswith("macroEnabled.12")
    with pytest.raises(AttachmentMisnamed):
        look(a_document(macros=True), "教案.docx", rules=rules)


def test_what_is_larger_than_allowed_is_refused():
    with pytest.raises(AttachmentTooLarge) as refused:
        look(PDF, "大.pdf", rules=Rules(most_bytes=10))

    assert "大.pdf" in str(refused.value)


def told(content: bytes, name: str) -> str:
    """Return the type of a file with its name, or the words of its refusal."""
    try:
        return f"{look(content, name)} {name}"
    except AttachmentRefused as refused:
        return str(refused)


@pytest.mark.parametrize("seed", range(200))
def test_noise_and_cut_off_files_are_answered_and_never_a_defect(seed):
    """Whatever comes, it has a type or a refusal that names the file."""
    chance = random.Random(seed)
    whole = chance.choice([PDF, PNG, MP4, DRAWING, a_document(), an_old_document(), EPUB, WEBM])
    content = bytearray(whole[: chance.randrange(1, len(whole) + 1)])
    for _ in range(chance.randrange(8)):
        content[chance.randrange(len(content))] = chance.randrange(256)

    assert "文件.bin" in told(bytes(content), "文件.bin")
