"""Calls to the gateway: some at a time, outside any unit, answered in the order they were given.

Bounded by `MARKET_GATEWAY_CALLS`. That one call fails says nothing of the others: each has its own
answer or error, and whoever records them does so in the order of the claims.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from settlement.payments.gateway import GatewayError, OutcomeUnknown, PartyAccount

MOST_OPENINGS: Final = 3

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


def call_each(
    call: Callable[[Asked], Answered], asked: Sequence[Asked], *, at_once: int
) -> Iterator[tuple[Asked, Answered | GatewayError]]:
    """Yield what was asked with its answer, or with the gateway's error, in the order given."""
    if not asked:
        return
    with ThreadPoolExecutor(min(at_once, len(asked)), thread_name_prefix="gateway") as pool:
        under_way = [pool.submit(call, one) for one in asked]
        for one, answer in zip(asked, under_way, strict=True):
            try:
                yield one, answer.result()
            except GatewayError as error:
                yield one, error


def opened(create: Callable[[str], PartyAccount], key: str) -> PartyAccount:
    """Open a party; under another key after an answer of failure, which its key keeps for good.

    No money moves: at worst an account is opened that nobody uses.
    """
    for attempt in range(1, MOST_OPENINGS + 1):
        try:
            return create(f"{key}:{attempt}")
        except OutcomeUnknown as unknown:
            if not unknown.answered or attempt == MOST_OPENINGS:
                raise
    raise AssertionError("the last attempt returned or raised")
