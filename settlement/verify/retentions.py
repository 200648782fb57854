"""Ended retentions against the books: each once, whole, and where it belongs."""

from collections.abc import Iterator

from kernel.money import yuan
from kernel.unit import Unit
from settlement.verify import differences as find


def check_retentions(unit: Unit) -> Iterator[str]:
    """Compare what was released or forfeited of each line with its transfer."""
    for row in unit.session.execute(find.RETENTIONS_THAT_DIFFER):
        yield (
            f"{row.key}: {yuan(int(row.retained))} held back, {yuan(int(row.released))} released, "
            f"{yuan(int(row.forfeited))} forfeited, {yuan(int(row.moved))} moved in the books"
        )
