"""The fingerprint of a sealed month: what a period keeps of its events, and archives prove.

One text for all who compute it, from the partition or from a file: what is summed up for a seal is
what an archive is compared with.
"""

# Over events `u`; a sum over the rows' hashes does not hang on their order.
PRINT = """
count(*) AS events, sum(u.quantity)::bigint AS uses,
sum(hash_record_extended(ROW(u.source_id, u.event_id, u.occurred_at, u.quantity, u.learner_id,
    u.agreement_id, u.school_id, u.trust, u.session_id, u.in_class), 0)) AS fingerprint
"""
