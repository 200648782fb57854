"""Values of options and arguments: what can't be read is refused with the option's own name."""

from datetime import date
from typing import Any, Final

import click

from kernel.clock import parse_day
from kernel.errors import InvalidInput
from kernel.money import parse_fen


class Amount(click.ParamType[int]):
    """An amount in yuan, read as fen."""

    name = "yuan"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_fen(value)
        except InvalidInput as error:
            self.fail(str(error), param, ctx)


class Day(click.ParamType[date]):
    """A day, such as 2026-09-01."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return parse_day(value)
        except InvalidInput as error:
            self.fail(str(error), param, ctx)


AMOUNT: Final = Amount()
DAY: Final = Day()
