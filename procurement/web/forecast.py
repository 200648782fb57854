"""The chart of a payer's year: what was drawn, where it leads at this pace, what was issued."""

from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from kernel.i18n import msgid, translate
from kernel.money import yuan
from kernel.web.charts import YUAN_LABELS, draw
from settlement.queries.forecast import Forecast, MonthPoint

ENDS_WITHIN: Final = msgid(
    "At this pace {expected} of {allocated} yuan will be used by the end of {year}"
)
ALL_USED: Final = msgid("At this pace all {allocated} yuan will be used by the end of {year}")
WIDTHS: Final = {"wide": 640, "narrow": 250}
"""Two drawings, one for each kind of screen: text that is scaled down can't be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class YearChart:
    """A finding, its two drawings, and the points as a table."""

    finding: str
    wide: Markup
    narrow: Markup
    forecast: Forecast


def year_chart(forecast: Forecast, locale: str) -> YearChart:
    """Draw a forecast; the title says what it finds."""
    sentence = ALL_USED if forecast.left_fen <= 0 else ENDS_WITHIN
    finding = translate(sentence, locale).format(
        expected=yuan(forecast.expected_fen),
        allocated=yuan(forecast.allocated_fen),
        year=forecast.fiscal_year,
    )
    return YearChart(
        finding=finding,
        wide=draw(_spec(forecast, locale, width=WIDTHS["wide"]), title=finding),
        narrow=draw(_spec(forecast, locale, width=WIDTHS["narrow"]), title=finding),
        forecast=forecast,
    )


def _spec(forecast: Forecast, locale: str, *, width: int) -> dict[str, Any]:
    used, expected, issued = (
        translate(text, locale) for text in (msgid("Used"), msgid("Forecast"), msgid("Issued"))
    )
    stated = [one for one in forecast.points if not one.is_forecast]
    coming = [one for one in forecast.points if one.is_forecast]
    values = [
        *(_value(one, used) for one in stated),
        *(_value(one, expected) for one in [*stated[-1:], *coming]),
        *(
            {"month": f"{one.month.month}", "fen": forecast.allocated_fen, "part": issued}
            for one in forecast.points
        ),
    ]
    parts = {"domain": [used, expected, issued]}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": width,
        "height": 200,
        "data": {"values": values},
        "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 24}},
        "encoding": {
            "x": {
                "field": "month",
                "type": "ordinal",
                "sort": None,
                "axis": {"title": translate(msgid("Month"), locale), "labelAngle": 0},
            },
            "y": {
                "field": "fen",
                "type": "quantitative",
                "axis": {
                    "title": translate(msgid("yuan, since January"), locale),
                    "labelExpr": YUAN_LABELS,
                    "tickCount": 5,
                },
            },
            "color": {
                "field": "part",
                "type": "nominal",
                "scale": {**parts, "range": ["#07414f", "#2f7487", "#84929a"]},
            },
            "strokeDash": {
                "field": "part",
                "type": "nominal",
                "scale": {**parts, "range": [[1, 0], [4, 4], [1, 3]]},
            },
        },
    }


def _value(point: MonthPoint, part: str) -> dict[str, Any]:
    return {"month": f"{point.month.month}", "fen": point.total_fen, "part": part}
