"""Static files: read once at start, addressed by content so that browsers may keep them for good.

An address carries the content's digest (`/static/base.css?v=…`). Asked for with that digest, a
file may be cached for a year; asked for without it or with an older one, it must be checked again.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

STATIC_PATH: Final = "/static"
DIGEST_LENGTH: Final = 12
CONTENT_TYPES: Final = {  # the charset of texts is added by the framework
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is served."""

    content: bytes
    content_type: str
    digest: str


class Assets:
    """The static files of some packages by name; a name in two packages is a `ValueError`."""

    def __init__(self, packages: Iterable[str] = ("kernel.web",)) -> None:
        self._assets: dict[str, Asset] = {}
        for package in packages:
            for file in sorted(files(package).joinpath("static").iterdir(), key=_name):
                extension = file.name.rpartition(".")[2]
                if extension in CONTENT_TYPES:
                    if file.name in self._assets:
                        raise ValueError(f"two packages bring a static file {file.name}")
                    self._assets[file.name] = _read(file, CONTENT_TYPES[extension])

    def find(self, name: str) -> Asset | None:
        return self._assets.get(name)

    def address(self, name: str) -> str:
        """Return the address of a file, its digest included; an unknown name is a `KeyError`."""
        return f"{STATIC_PATH}/{name}?v={self._assets[name].digest}"


def _name(file: Traversable) -> str:
    return file.name


def _read(file: Traversable, content_type: str) -> Asset:
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
    return Asset(content, content_type, digest)
