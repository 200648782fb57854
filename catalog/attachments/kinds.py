"""Which files may be attached, under which endings, and how each is served.

Decides by content alone: `magic` are the endings by which the sniffing library calls a type. What
is not in the table is not attached. Nothing here is ever served as active content; `is_shown` types
are passive enough to stand in a page of ours as picture, sound or film.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class FileType:
    """One type: its media type, the endings a name may have, the sniffer's names for it."""

    media_type: str
    endings: tuple[str, ...]
    magic: frozenset[str] = frozenset()
    is_shown: bool = False

    @property
    def name(self) -> str:
        """What people call it: its first ending in capitals."""
        return self.endings[0].upper()


def _of(media_type: str, *endings: str, magic: str = "", shown: bool = False) -> FileType:
    names = {f".{one}" for one in (*endings, *magic.split())}
    return FileType(media_type, endings, frozenset(names), shown)


_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_OPEN: Final = "application/vnd.oasis.opendocument."

BY_MAGIC: Final = (
    _of("application/pdf", "pdf"),
    _of("image/png", "png", shown=True),
    _of("image/jpeg", "jpg", "jpeg", magic="jfif jpe", shown=True),
    _of("image/gif", "gif", shown=True),
    _of("image/webp", "webp", shown=True),
    _of("audio/mpeg", "mp3", magic="mpga", shown=True),
    _of("audio/mp4", "m4a", shown=True),
    _of("audio/wav", "wav", shown=True),
    _of("audio/ogg", "ogg", "oga", shown=True),
    _of("video/mp4", "mp4", "m4v", shown=True),
    _of("video/webm", "webm", shown=True),
    _of("video/quicktime", "mov"),
)
"""Types that their first bytes tell."""

SVG: Final = _of("image/svg+xml", "svg")
TEXT: Final = _of("text/plain", "txt", "csv", "md", "srt", "vtt", "lrc")
ZIP: Final = _of("application/zip", "zip")
EPUB: Final = _of("application/epub+zip", "epub")
OFFICE: Final = {
    "word": _of(_OFFICE + "wordprocessingml.document", "docx"),
    "ppt": _of(_OFFICE + "presentationml.presentation", "pptx", "ppsx"),
    "xl": _of(_OFFICE + "spreadsheetml.sheet", "xlsx"),
}
"""Office's packages by the folder in which their main part lies."""
WITH_MACROS: Final = {
    "word": _of("application/vnd.ms-word.document.macroEnabled.12", "docm"),
    "ppt": _of("application/vnd.ms-powerpoint.presentation.macroEnabled.12", "pptm"),
    "xl": _of("application/vnd.ms-excel.sheet.macroEnabled.12", "xlsm"),
}
OPEN_DOCUMENTS: Final = {
    _OPEN + "text": _of(_OPEN + "text", "odt"),
    _OPEN + "presentation": _of(_OPEN + "presentation", "odp"),
    _OPEN + "spreadsheet": _of(_OPEN + "spreadsheet", "ods"),
}
OLD_OFFICE: Final = {
    "WordDocument": _of("application/msword", "doc", "wps"),
    "PowerPoint Document": _of("application/vnd.ms-powerpoint", "ppt", "pps", "dps"),
    "Workbook": _of("application/vnd.ms-excel", "xls", "et"),
    "Book": _of("application/vnd.ms-excel", "xls", "et"),
}
"""Office's older files by the stream that holds their content."""

ALL: Final = (
    *BY_MAGIC,
    *(SVG, TEXT, ZIP, EPUB),
    *OFFICE.values(),
    *OPEN_DOCUMENTS.values(),
    *OLD_OFFICE.values(),
)
ENDINGS: Final = tuple(dict.fromkeys(ending for one in ALL for ending in one.endings))
"""What a form lets people choose from, without documents that carry macros."""
SHOWN: Final = frozenset(one.media_type for one in ALL if one.is_shown)
"""Media types that a page of ours may show in place."""

PROGRAMS: Final = frozenset(
    f".{one}"
    for one in (
        *("exe", "dll", "drv", "sys", "com", "scr", "msi", "bat", "cmd", "ps1", "vbs", "vbe"),
        *("js", "jse", "wsf", "hta", "lnk", "reg", "jar", "class", "apk", "appimage", "dmg"),
        *("app", "elf", "so", "dylib", "sh", "py", "wasm", "swf", "iso", "deb", "rpm"),
    )
)
"""Endings of what runs, as a name says it or as the sniffing library does."""
ACTIVE: Final = frozenset(f".{one}" for one in ("html", "htm", "xhtml", "xht", "mht", "mhtml"))
"""Endings of what a browser would run."""
