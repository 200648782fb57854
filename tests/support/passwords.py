"""Passwords at the least cost: at the product's a sign-in takes longer than most tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from argon2 import PasswordHasher

from kernel.identity import credentials

OF_THE_PRODUCT = credentials._hasher, credentials.NOBODY
"""What hashes outside the tests, and the hash that a login nobody has is compared with."""


@contextmanager
def cheap_passwords() -> Iterator[None]:
    """Hash and compare at argon2's least cost, within this process."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(credentials, "_hasher", cheap)
        patch.setattr(credentials, "NOBODY", credentials._nobodys_hash())
        yield
