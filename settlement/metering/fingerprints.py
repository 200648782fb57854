"""The fingerprint of a sealed month: what a period keeps of its events, and archives prove.

One text for all who compute it, from the partition or from a file: what is summed up for a seal is
what an archive is compared with.
"""

from dataclasses import dataclass

# Of one event of `u`: each column's hash is the seed of the next one's, which the database computes
# in less than half the time of a record's.
ROW_PRINT = """
uuid_hash_extended(u.learner_id, uuid_hash_extended(u.agreement_id, uuid_hash_extended(u.school_id,
    uuid_hash_extended(u.source_id, hashtextextended(u.event_id, timestamptz_hash_extended(
        u.occurred_at, hashint8extended(u.quantity, hashint2extended(u.trust, hashtextextended(
            u.session_id, u.in_class::int::bigint)))))))))
"""

# Over events `u`; a sum over the rows' hashes does not hang on their order.
PRINT = f"count(*) AS events, sum(u.quantity)::bigint AS uses, sum({ROW_PRINT}) AS fingerprint"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a sealed period holds: events, uses, and the sum over its events' hashes."""

    events: int = 0
    uses: int = 0
    total: int = 0

    def __add__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(
            self.events + other.events, self.uses + other.uses, self.total + other.total
        )


NO_EVENTS = Fingerprint()
