"""Charts: Vega-Lite specifications drawn as SVG on the server, to stand inside a page.

Text stays text, nothing is loaded, and the drawing holds no style of its own that a page's policy
would refuse. Amounts are whole fen; the axis shows them in yuan. The table behind a chart is the
page's matter.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
import vl_convert
from markupsafe import Markup

VEGA_LITE: Final = "6.4"
FONT: Final = "PingFang SC, Microsoft YaHei, Noto Sans CJK SC, sans-serif"
TEXT, MUTED, RULE = "#1b2429", "#515e66", "#d7dee1"
"""Colours of tokens.css, which a drawing can't name."""

DRAWINGS: Final = 128
"""Drawings kept: the same numbers are looked at again and again, and each takes some 30 ms."""
YUAN_LABELS: Final = "format(datum.value / 100, ',')"
CONFIG: Final[Mapping[str, Any]] = {
    "font": FONT,
    "background": None,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "gridColor": RULE,
        "domainColor": RULE,
        "tickColor": RULE,
    },
    "legend": {
        "labelColor": TEXT,
        "labelFontSize": 12,
        "title": None,
        "orient": "top",
        "symbolType": "stroke",
        "symbolStrokeWidth": 2,
        "symbolSize": 300,
    },
}


def draw(spec: Mapping[str, Any], *, title: str) -> Markup:
    """Return the drawing of a Vega-Lite specification; `title` is read out in its place."""
    whole = {**spec, "config": CONFIG, "description": title}
    svg = _svg(msgspec.json.encode(whole).decode())
    head, _, rest = svg.partition("<svg ")
    label = Markup.escape(title)
    # What Vega-Lite draws is ours: the texts in it are escaped by it.
    return Markup(f'{head}<svg role="img" aria-label="{label}" {rest}')  # noqa: S704


@lru_cache(DRAWINGS)
def _svg(spec: str) -> str:
    drawn: str = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    return drawn
