"""Under which agreement a use falls, where several would do (R33); the one place that says so."""

from typing import Final

PRECEDENCE: Final = (
    "CASE a.terms->>'kind' WHEN 'bulk' THEN 0 WHEN 'pack' THEN 1 ELSE 2 END, a.starts_on, a.number"
)
"""SQL for ORDER BY of agreements called `a`: bulk, then pack, then single; then the earliest start,
then the number."""
