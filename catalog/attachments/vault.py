"""The store of attached files: a folder, or a bucket of an S3-compatible store, by one interface.

Decides where a file lies: under its SHA-256, so that what is read can be proved and what is there
twice is kept once. Reads and writes as streams. Never used within a unit: a bucket is a network.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import IO, Final

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, S3Store

from kernel.errors import StoredFileMissing, StoreUnavailable
from kernel.settings import Settings

FOLDER: Final = "attachments"
CHUNK_BYTES: Final = 1 << 20
PART_BYTES: Final = 8 << 20
"""What of a file is sent to a bucket at a time; smaller files go in one piece."""
PARTS_AT_ONCE: Final = 2


class Vault:
    """The store of one installation."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def keep(self, digest: str, file: IO[bytes]) -> None:
        """Write a file under its digest, from where it stands; what lay there is replaced whole."""
        try:
            obstore.put(
                self.store,
                _place(digest),
                file,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        except (BaseError, OSError) as error:
            raise StoreUnavailable(reason=_reason(error)) from error

    def chunks(
        self, digest: str, *, name: str, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """Return a file, or `length` bytes of it, piece by piece; its absence is found at once."""
        place = _place(digest)
        try:
            if length is None:
                found = obstore.get(self.store, place)
            else:
                found = obstore.get(self.store, place, options={"range": (start, start + length)})
            pieces = found.stream(min_chunk_size=CHUNK_BYTES)
        except (NotFoundError, FileNotFoundError):
            raise StoredFileMissing(file=name, digest=digest) from None
        except (BaseError, OSError) as error:
            raise StoreUnavailable(reason=_reason(error)) from error
        return (bytes(piece) for piece in pieces)

    def drop(self, digest: str) -> None:
        """Remove a file; one that is not there is gone already."""
        try:
            obstore.delete(self.store, _place(digest))
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise StoreUnavailable(reason=_reason(error)) from error

    def size_of(self, digest: str) -> int | None:
        """Return how many bytes lie under a digest; None if nothing does."""
        try:
            return int(obstore.head(self.store, _place(digest))["size"])
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise StoreUnavailable(reason=_reason(error)) from error


@lru_cache(maxsize=4)
def open_vault(settings: Settings) -> Vault:
    """Return the store that the settings name; nothing is sent to it yet."""
    if not settings.store:
        folder = settings.home / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        return Vault(LocalStore(folder))
    bucket, _, prefix = settings.store.removeprefix("s3://").partition("/")
    return Vault(
        S3Store(
            bucket,
            prefix=prefix or None,
            region=settings.store_region,
            endpoint=settings.store_endpoint or None,
            access_key_id=settings.store_key_id,
            secret_access_key=settings.store_secret,
            virtual_hosted_style_request=not settings.store_endpoint,
            client_options={"allow_http": settings.store_endpoint.startswith("http://")},
            retry_config={"max_retries": 3},
        )
    )


def _place(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


def _reason(error: Exception) -> str:
    """Return the first line of what a store said; the rest is for the log."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
