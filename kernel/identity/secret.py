"""The installation's key, person numbers hashed under it, and the keys derived from it.

A person number is short enough to be guessed, so a plain digest would tell it; under a key that
never leaves the installation it does not (R29, R58). The number itself is stored nowhere.
"""

import hmac
import os
import secrets
import unicodedata
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kernel.errors import Misconfigured
from kernel.settings import Settings

KEY_FILE = "secret.key"
KEY_BYTES = 32


def person_hash(settings: Settings, person_no: str) -> bytes:
    """Return HMAC-SHA256 of a person number: 32 bytes, the same however the number was typed."""
    return hmac.digest(installation_key(settings), canonical(person_no).encode(), "sha256")


def derived_key(settings: Settings, purpose: str) -> bytes:
    """Return 32 bytes derived from the installation's key for one purpose (HKDF-SHA256).

    Every process derives the same, nothing new has to be kept, and no purpose tells another's key.
    """
    return _derived(installation_key(settings), f"xuanyong/{purpose}")


@lru_cache(maxsize=32)
def _derived(key: bytes, purpose: str) -> bytes:
    derivation = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode())
    return derivation.derive(key)


def canonical(person_no: str) -> str:
    """Return the number without the accidents of typing: width, case, blanks and separators."""
    folded = unicodedata.normalize("NFKC", person_no)
    return "".join(folded.split()).upper()


def installation_key(settings: Settings) -> bytes:
    """Return the key that the settings name, else the one kept in `MARKET_HOME/secret.key`."""
    if settings.secret_key:
        return settings.secret_key.encode()
    return _kept_key(settings.home / KEY_FILE)


@lru_cache(maxsize=8)
def _kept_key(path: Path) -> bytes:
    """Read the key, or make it; of two processes that both make one, the first wins."""
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise Misconfigured(setting="MARKET_HOME", reason=f"{path}: {error.strerror}") from None
    if len(key) != KEY_BYTES:
        raise Misconfigured(
            setting="MARKET_HOME", reason=f"{path} does not hold a key of {KEY_BYTES} bytes"
        )
    return key


def _make_key(path: Path) -> None:
    """Write the whole key beside its place and link it there, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            return  # another process was first; its key is the one
    finally:
        beside.unlink()
