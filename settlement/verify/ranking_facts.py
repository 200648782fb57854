"""What schools and reviewers said, against the trail: the facts that a ranking rests on (R45, R59).

`rankings` has every score again from its snapshot; here the snapshot's sources are what the trail
tells of them, both ways: who changes a rating, an audit, a dispute, the word for an agreement's end
or the day of an admission, plants one or takes one away, has to change the chain as well. Each
question is asked once for all rows, over the trail's index by acts.

An act tells the moment of its fact (`at`). Those of before such facts were told were written within
the same unit of work: they may differ by `WITHIN`, and what they do not tell is not compared.
"""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import TextClause, text

from kernel.unit import Unit

WITHIN: Final = "interval '1 hour'"
MOMENT: Final = "CAST(t.facts ->> 'at' AS timestamptz)"


def moved(kept: str, *, said: str, acted: str) -> str:
    """Return the condition that a moment is not the one that its act tells, or is far from it."""
    return (
        f"CASE WHEN {said} IS NOT NULL THEN {kept} <> {said} "
        f"ELSE {kept} NOT BETWEEN {acted} - {WITHIN} AND {acted} + {WITHIN} END"
    )


DIFFERING: Final = """
SELECT name, kept, told, kept_at, COALESCE(said_at, acted_at) AS told_at FROM ({FACTS}) fact
WHERE kept IS NULL OR told IS NULL OR kept <> told OR {MOVED}
ORDER BY name, COALESCE(kept_at, acted_at)
""".replace("{MOVED}", moved("kept_at", said="said_at", acted="acted_at"))


def differing(query: str) -> TextClause:
    """Return the statement for facts that are not what the trail tells.

    `query` has of each fact its `name`, what is `kept` and what is `told` as JSON (NULL where there
    is none), the moment that is kept, when its act was written, and the moment that the act tells.
    """
    return text(filled(DIFFERING.replace("{FACTS}", query)))


def filled(query: str) -> str:
    """Return a statement with what all of them share."""
    return query.replace("{MOMENT}", MOMENT).replace("{WITHIN}", WITHIN)


# Acts name their rating; those of before are had by teacher, version and stars, in their order. Of
# very many, only what differs is written out.
RATINGS: Final = """
WITH acts AS MATERIALIZED (
    SELECT t.actor_id AS person_id, CAST(t.subject_id AS uuid) AS version_id,
        CAST(t.facts ->> 'resource' AS uuid) AS resource_id,
        CAST(t.facts ->> 'school' AS uuid) AS school_id, CAST(t.facts ->> 'stars' AS int) AS stars,
        CAST(t.facts ->> 'rating' AS uuid) AS rating_id, t.id, t.at, {MOMENT} AS said_at
    FROM trail t WHERE t.act = 'resource.rated'
), told AS (
    SELECT *, {KEY} AS key FROM acts
), kept AS (
    SELECT *, {KEY} AS key FROM (
        SELECT g.*, a.rating_id FROM rating g LEFT JOIN acts a ON a.rating_id = g.id) g
)
SELECT 'rating of version ' || COALESCE(g.version_id, t.version_id) || ' by '
        || COALESCE(g.person_id, t.person_id) AS name,
    CASE WHEN g.id IS NOT NULL THEN jsonb_build_object('person', g.person_id, 'stars', g.stars,
        'version', g.version_id, 'resource', g.resource_id, 'school', g.school_id) END AS kept,
    CASE WHEN t.id IS NOT NULL THEN jsonb_build_object('person', t.person_id, 'stars', t.stars,
        'version', t.version_id, 'resource', t.resource_id, 'school', t.school_id) END AS told,
    g.at AS kept_at, t.at AS acted_at, t.said_at
FROM kept g FULL JOIN told t ON t.key = g.key
WHERE (g.person_id, g.version_id, g.resource_id, g.school_id, g.stars) IS DISTINCT FROM
    (t.person_id, t.version_id, t.resource_id, t.school_id, t.stars) OR {MOVED}
""".replace("{MOVED}", moved("g.at", said="t.said_at", acted="t.at")).replace(
    "{KEY}",
    "COALESCE(CAST(rating_id AS text), concat_ws(' ', person_id, version_id, stars, row_number() "
    "OVER (PARTITION BY rating_id IS NULL, person_id, version_id, stars ORDER BY at, id)))",
)

# One act for each draw, with how many it drew, and since it tells them, which. None draws nothing.
DRAWS: Final = """
SELECT 'sample of bureau ' || COALESCE(CAST(s.bureau_id AS text), t.subject_id) || ' by seed '
        || COALESCE(s.seed, t.facts ->> 'seed') AS name,
    s.kept, CASE WHEN t.id IS NOT NULL THEN jsonb_build_object('drawn', t.facts -> 'drawn',
        'by', jsonb_build_array(t.actor_id), 'at_once', true,
        'versions', COALESCE(t.facts -> 'versions', s.kept -> 'versions')) END AS told,
    s.drawn_at AS kept_at, t.at AS acted_at, {MOMENT} AS said_at
FROM (
    SELECT bureau_id, seed, min(drawn_at) AS drawn_at, jsonb_build_object('drawn', count(*),
        'by', jsonb_agg(DISTINCT drawn_by), 'at_once', max(drawn_at) - min(drawn_at) < {WITHIN},
        'versions', jsonb_agg(version_id ORDER BY version_id)) AS kept
    FROM blind_sample GROUP BY bureau_id, seed
) s FULL JOIN (
    SELECT * FROM trail WHERE act = 'sample.drawn' AND facts ->> 'drawn' <> '0'
) t ON t.subject_id = CAST(s.bureau_id AS text) AND t.facts ->> 'seed' = s.seed
"""

# A version is drawn by the bureau that let it in, once with a seed.
AUDITS: Final = """
SELECT 'audit of version ' || COALESCE(CAST(s.version_id AS text), t.subject_id) || ' by seed '
        || COALESCE(s.seed, t.facts ->> 'seed') AS name,
    CASE WHEN s.id IS NOT NULL THEN jsonb_build_object(
        'passed', s.passed, 'by', s.judged_by, 'note', s.note) END AS kept,
    CASE WHEN t.id IS NOT NULL THEN jsonb_build_object(
        'passed', t.facts -> 'passed', 'by', t.actor_id, 'note', t.facts -> 'note') END AS told,
    s.judged_at AS kept_at, t.at AS acted_at, {MOMENT} AS said_at
FROM (SELECT * FROM blind_sample WHERE judged_at IS NOT NULL) s
FULL JOIN (SELECT * FROM trail WHERE act = 'sample.judged') t
    ON t.subject_id = CAST(s.version_id AS text) AND t.facts ->> 'seed' = s.seed
"""

# What a closed year refers to its bureau is opened by nobody, whoever closes.
DISPUTES: Final = """
SELECT 'dispute ' || COALESCE(CAST(d.id AS text), t.subject_id) AS name,
    CASE WHEN d.id IS NOT NULL THEN jsonb_build_object('reason', d.reason, 'line', d.line_id,
        'claimed_fen', d.claimed_fen, 'by', d.opened_by, 'part', d.evidence -> 'part')
    END AS kept,
    CASE WHEN t.id IS NOT NULL THEN jsonb_build_object('reason', t.facts -> 'reason',
        'line', t.facts -> 'line', 'claimed_fen', t.facts -> 'claimed_fen', 'by', CASE
            WHEN t.facts ->> 'reason' = 'fiscal-year-closed' THEN 'system' ELSE t.actor_name END,
        'part', CASE WHEN t.facts ? 'part' THEN NULLIF(t.facts -> 'part', 'null')
            ELSE d.evidence -> 'part' END)
    END AS told,
    d.opened_at AS kept_at, t.at AS acted_at, {MOMENT} AS said_at
FROM dispute d FULL JOIN (SELECT * FROM trail WHERE act = 'dispute.opened') t
    ON t.subject_id = CAST(d.id AS text)
"""

DECISIONS: Final = """
SELECT 'decision of dispute ' || COALESCE(CAST(d.id AS text), t.subject_id) AS name,
    CASE WHEN d.id IS NOT NULL THEN jsonb_build_object('outcome', d.outcome,
        'credit_fen', d.credit_fen, 'by', d.decided_by, 'note', d.note,
        'within_payer', d.within_payer) END AS kept,
    CASE WHEN t.id IS NOT NULL THEN jsonb_build_object('outcome', substr(t.act, 9),
        'credit_fen', t.facts -> 'credit_fen', 'by', t.actor_name, 'note', t.facts -> 'note',
        'within_payer', COALESCE(t.facts -> 'within_payer', to_jsonb(d.within_payer))) END AS told,
    d.decided_at AS kept_at, t.at AS acted_at, {MOMENT} AS said_at
FROM (SELECT * FROM dispute WHERE outcome IS NOT NULL) d
FULL JOIN (SELECT * FROM trail WHERE act IN ('dispute.upheld', 'dispute.dismissed')) t
    ON t.subject_id = CAST(d.id AS text)
"""

# The act of giving up is a change; what is over by the calendar is called so, too. Before a word
# was asked for, none is kept.
END_REASONS: Final = """
SELECT 'end of agreement ' || COALESCE(CAST(w.agreement_id AS text), t.subject_id) AS name,
    CASE WHEN w.agreement_id IS NOT NULL THEN jsonb_build_object('why', w.why, 'by', w.said_by)
    END AS kept,
    CASE WHEN t.id IS NOT NULL THEN jsonb_build_object(
        'why', COALESCE(t.facts -> 'why', to_jsonb(w.why)), 'by', t.actor_id) END AS told,
    w.said_at AS kept_at, t.at AS acted_at, {MOMENT} AS said_at
FROM agreement_end_reason w
FULL JOIN (SELECT * FROM trail WHERE act = 'agreement.ended' AND facts ? 'change') t
    ON t.subject_id = CAST(w.agreement_id AS text)
WHERE w.agreement_id IS NOT NULL OR t.facts ? 'why'
"""

# Who let a version in, when, and for which bureau: it answers for it.
ADMISSIONS: Final = """
SELECT 'admission of version ' || COALESCE(CAST(m.version_id AS text), t.subject_id) AS name,
    CASE WHEN m.id IS NOT NULL THEN jsonb_build_object('by', m.decided_by, 'bureau', m.bureau_id)
    END AS kept,
    CASE WHEN t.id IS NOT NULL THEN jsonb_build_object('by', t.actor_id,
        'bureau', COALESCE(t.facts -> 'bureau', to_jsonb(m.bureau_id))) END AS told,
    m.decided_at AS kept_at, t.at AS acted_at, {MOMENT} AS said_at
FROM (SELECT * FROM admission WHERE state = 'admitted') m
FULL JOIN (SELECT * FROM trail WHERE act = 'admission.admitted') t
    ON t.subject_id = CAST(m.version_id AS text)
"""

# A run that is gone is told by `standing_trail`, with its digest.
RUNS: Final = """
SELECT 'ranking of ' || to_char(r.month, 'YYYY-MM') || ', run ' || r.number AS name,
    jsonb_build_object('month', to_char(r.month, 'YYYY-MM'), 'number', r.number,
        'config', r.config_version, 'by', r.ran_by, 'counts', r.counts) AS kept,
    CASE WHEN t.id IS NOT NULL THEN jsonb_build_object('month', t.facts -> 'month',
        'number', t.facts -> 'number', 'config', t.facts -> 'config', 'by', t.actor_name,
        'counts', t.facts - ARRAY['month', 'number', 'config', 'digest', 'at', 'stated'])
    END AS told,
    r.ran_at AS kept_at, t.at AS acted_at, {MOMENT} AS said_at
FROM score_run r LEFT JOIN trail t
    ON t.act = 'month.ranked' AND t.subject_id = CAST(r.id AS text)
"""

# Numbers are published by the first run that ranks by them; before that was an act of its own, the
# run is all that tells of it.
CONFIGS: Final = """
SELECT 'ranking configuration ' || COALESCE(c.version, t.subject_id) AS name,
    CASE WHEN c.version IS NOT NULL THEN to_jsonb(encode(c.digest, 'hex')) END AS kept,
    CASE WHEN t.id IS NOT NULL THEN t.facts -> 'digest'
        WHEN first.ran_at IS NOT NULL THEN to_jsonb(encode(c.digest, 'hex')) END AS told,
    c.published_at AS kept_at, COALESCE(t.at, first.ran_at) AS acted_at, {MOMENT} AS said_at
FROM ranking_config c
FULL JOIN (SELECT * FROM trail WHERE act = 'ranking.published') t ON t.subject_id = c.version
LEFT JOIN (
    SELECT config_version, min(ran_at) AS ran_at FROM score_run GROUP BY config_version
) first ON first.config_version = c.version
"""

FACTS: Final = tuple(
    differing(facts)
    for facts in (
        *(RATINGS, DRAWS, AUDITS, DISPUTES, DECISIONS, END_REASONS, ADMISSIONS, RUNS, CONFIGS),
    )
)

# Evidence is struck out of the standing that was appealed for, with the decision that upheld it.
# When that was is had from its act, which tells it since it names its appeal.
STRUCK: Final = text(
    filled(
        """
SELECT x.appeal_id, x.component, x.school_id, p.id IS NOT NULL AS is_made,
    COALESCE(p.outcome = 'upheld', false) AS is_upheld,
    COALESCE((s.vendor_id, s.cell) = (x.vendor_id, x.cell), false) AS is_its,
    COALESCE(p.note = x.reason, false) AS says_why, x.until, t.said_at, t.acted_at
FROM struck_evidence x LEFT JOIN standing_appeal p ON p.id = x.appeal_id
LEFT JOIN standing s ON s.id = p.standing_id
LEFT JOIN LATERAL (
    SELECT {MOMENT} AS said_at, t.at AS acted_at FROM trail t
    WHERE t.act = 'standing.appeal-upheld' AND t.subject_id = CAST(p.standing_id AS text)
        AND COALESCE(t.facts ->> 'appeal' = CAST(p.id AS text), t.actor_id = p.decided_by)
    ORDER BY abs(extract(epoch FROM t.at - p.decided_at)) LIMIT 1
) t ON true
WHERE p.outcome IS DISTINCT FROM 'upheld' OR (s.vendor_id, s.cell) <> (x.vendor_id, x.cell)
    OR p.note <> x.reason OR t.acted_at IS NULL OR {MOVED}
ORDER BY x.appeal_id, x.component, x.school_id
""".replace("{MOVED}", moved("x.until", said="t.said_at", acted="t.acted_at"))
    )
)


def check_ranking_facts(unit: Unit) -> Iterator[str]:
    """Name each fact that is not in the trail, that is there no more, or is another there."""
    for facts in FACTS:
        for row in unit.session.execute(facts):
            yield from _difference(row)
    for row in unit.session.execute(STRUCK):
        named = f"evidence of school {row.school_id} ({row.component})"
        if not row.is_made:
            yield f"{named} is struck out by an appeal that nobody made: {row.appeal_id}"
        elif not row.is_upheld:
            yield f"{named} is struck out by the appeal {row.appeal_id}, which was not upheld"
        elif not row.is_its:
            yield f"{named} is struck out by the appeal {row.appeal_id} of another standing"
        elif not row.says_why:
            yield f"{named} is struck out for another reason than the appeal {row.appeal_id} gives"
        else:
            said = row.said_at or row.acted_at or "nothing"
            yield f"{named} is struck out until {row.until}, the trail says {said}"


def _difference(row: Any) -> Iterator[str]:
    if row.kept is None:
        yield f"{row.name}: the trail tells of it on {row.told_at}, and there is none"
    elif row.told is None:
        yield f"{row.name}: it is not in the trail"
    elif row.kept == row.told:
        yield f"{row.name}: it is of {row.kept_at}, the trail says {row.told_at}"
    elif not isinstance(row.kept, dict):
        yield f"{row.name}: it is {row.kept}, the trail says {row.told}"
    else:
        for what, has in row.kept.items():
            if row.told[what] != has:
                yield f"{row.name}: {what} is {has!r}, the trail says {row.told[what]!r}"
