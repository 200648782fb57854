"""The classroom package: one file of a box, read whole and checked before anything is believed.

Lines of JSON: a header that says how much follows, launches, uses, and last the Ed25519 signature
over every byte before its line. Decides whether a file is whole, genuine and well-formed; what its
launches and uses are worth is the matter of `packages`.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kernel.errors import InvalidPackage, PackageSignatureWrong

FORMAT: Final = "xuanyong-classroom/1"
LARGEST_BYTES: Final = 64 * 1024 * 1024
LONGEST_TEXT: Final = 200


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wrote the package, when, and how many lines of each kind follow."""

    format: str
    device: str
    made_at: str
    launches: int
    uses: int


class PackedLaunch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the box opened; `learner` is a person number: a pupil's, or the teacher's of a class.

    `session` names the class's lesson, empty for a sitting of its own.
    """

    id: UUID
    kind: str
    learner: str
    vendor_code: str
    sku: str
    issued_at: str
    class_name: str = ""
    session: str = ""


class PackedUse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One use of a launch, of this package or of another."""

    id: str
    launch: UUID
    time: str


class _LaunchLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    launch: PackedLaunch


class _UseLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    use: PackedUse


class _SignatureLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signature: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A package as it was read; `signed` is what `signature` stands for."""

    name: str
    header: Header
    launches: Sequence[PackedLaunch]
    uses: Sequence[PackedUse]
    signed: bytes
    signature: bytes


def read_header(content: bytes, *, name: str) -> Header:
    """Read what a package says of itself, which `read_package` holds it to.

    Raises `InvalidPackage` if it says what can't be.
    """
    if len(content) > LARGEST_BYTES:
        raise InvalidPackage(file=name, reason="file-too-large")
    line, ended, _ = content.partition(b"\n")
    if not ended:
        raise InvalidPackage(file=name, reason="cut-off")
    header: Header = _decoded(line, Header, name)
    if header.format != FORMAT:
        raise InvalidPackage(file=name, reason="unknown-format")
    if header.launches < 0 or header.uses < 0:
        raise InvalidPackage(file=name, reason="wrong-counts")
    return header


def read_package(content: bytes, *, name: str) -> Package:
    """Read a package; raise `InvalidPackage` for one that is cut off or says what is not so."""
    header = read_header(content, name=name)
    lines = content.splitlines(keepends=True)
    if len(lines) < 2 or not lines[-1].strip():
        raise InvalidPackage(file=name, reason="cut-off")
    signature = _signature(lines[-1], name)
    body = lines[1:-1]
    if len(body) != header.launches + header.uses:
        raise InvalidPackage(file=name, reason="wrong-counts")
    launches = [_decoded(line, _LaunchLine, name).launch for line in body[: header.launches]]
    uses = [_decoded(line, _UseLine, name).use for line in body[header.launches :]]
    if any(len(use.id) > LONGEST_TEXT or not use.id for use in uses):
        raise InvalidPackage(file=name, reason="malformed-line")
    return Package(
        name=name,
        header=header,
        launches=launches,
        uses=uses,
        signed=b"".join(lines[:-1]),
        signature=signature,
    )


def require_signed(package: Package, public_key: bytes) -> None:
    """Raise `PackageSignatureWrong` unless the box with this key signed every byte."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    try:
        key.verify(package.signature, package.signed)
    except InvalidSignature:
        raise PackageSignatureWrong(file=package.name, device=package.header.device) from None


def write_package(
    key: Ed25519PrivateKey,
    *,
    device: str,
    made_at: str,
    launches: Sequence[PackedLaunch],
    uses: Sequence[PackedUse],
) -> bytes:
    """Return the file as a box writes it."""
    header = Header(
        format=FORMAT, device=device, made_at=made_at, launches=len(launches), uses=len(uses)
    )
    lines: list[Any] = [header, *map(_LaunchLine, launches), *map(_UseLine, uses)]
    signed = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    signature = base64.b64encode(key.sign(signed)).decode()
    return signed + msgspec.json.encode(_SignatureLine(signature)) + b"\n"


def _signature(line: bytes, name: str) -> bytes:
    try:
        text = msgspec.json.decode(line, type=_SignatureLine).signature
        return base64.b64decode(text, validate=True)
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        raise InvalidPackage(file=name, reason="cut-off") from None


def _decoded(line: bytes, kind: Any, name: str) -> Any:
    try:
        decoded = msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidPackage(file=name, reason="malformed-line") from None
    if b"\\u0000" in line:  # no text in the database can hold this character
        raise InvalidPackage(file=name, reason="malformed-line")
    return decoded
