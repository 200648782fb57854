"""Pseudonyms: what a vendor is told instead of who learns, and in which lesson (R29).

One learner has another pseudonym for every vendor, and always the same for one; without the
installation's key nobody can tell that two of them are one child. The same holds for sessions: two
vendors in one lesson could otherwise match their learners by it.
"""

import base64
import hmac
from uuid import UUID

from kernel.identity.secret import derived_key
from kernel.settings import Settings

LEARNER, SESSION = "pairwise learner", "pairwise session"
PSEUDONYM_BYTES = 16


def learner_pseudonym(settings: Settings, learner_id: UUID, *, vendor_id: UUID) -> str:
    """Return the learner's pseudonym for a vendor: 26 letters and digits."""
    return _pairwise(settings, LEARNER, learner_id.bytes, vendor_id)


def session_pseudonym(settings: Settings, session_id: str, *, vendor_id: UUID) -> str:
    """Return the pseudonym of a session for a vendor: 26 letters and digits."""
    return _pairwise(settings, SESSION, session_id.encode(), vendor_id)


def _pairwise(settings: Settings, purpose: str, subject: bytes, vendor_id: UUID) -> str:
    # The vendor's id has a fixed length, so that no two pairs make the same message.
    mac = hmac.digest(derived_key(settings, purpose), vendor_id.bytes + subject, "sha256")
    return base64.b32encode(mac[:PSEUDONYM_BYTES]).decode().rstrip("=").lower()
