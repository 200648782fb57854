"""Values of options and arguments: what can't be read is refused with the option's own name."""

from datetime import date
from decimal import Decimal
from typing import Any, Final

import click

from kernel.clock import FIRST_YEAR, LAST_YEAR, Month, parse_day, parse_month
from kernel.errors import InvalidInput
from kernel.money import parse_fen, parse_rate


class Amount(click.ParamType[int]):
    """An amount in yuan, read as fen."""

    name = "yuan"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_fen(value)
        except InvalidInput as error:
            self.fail(str(error), param, ctx)


class Rate(click.ParamType[Decimal]):
    """A price in yuan, or a share of 1, with at most four decimals."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            return parse_rate(value)
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


class Period(click.ParamType[Month]):
    """A calendar month, such as 2026-03."""

    name = "period"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Month:
        try:
            return parse_month(value)
        except InvalidInput as error:
            self.fail(str(error), param, ctx)


class Year(click.ParamType[int]):
    """A fiscal year, such as 2026."""

    name = "year"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip()
        year = int(text) if text.isascii() and text.isdigit() and len(text) == len("2026") else 0
        if not FIRST_YEAR <= year <= LAST_YEAR:
            self.fail(f"“{value}” is not a year. Write it like 2026.", param, ctx)
        return year


AMOUNT: Final = Amount()
RATE: Final = Rate()
DAY: Final = Day()
PERIOD: Final = Period()
YEAR: Final = Year()
