"""Figures of the ranking's trial, drawn as the charts of pages are; their table is printed."""

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from kernel.web.charts import draw

NAMES: Final = {
    "ours": "ours",
    "bayesian_average": "Bayesian average",
    "raw_average": "raw average",
    "wilson": "Wilson",
    "raw_usage": "raw usage",
}
COLOURS: Final = ("#0b6e6e", "#b3542d", "#7a5aa6", "#4d7c2f", "#8a8f94")
CHANCE, ACCENT = "#8a8f94", "#0b6e6e"


def charts_of(trial: Mapping[str, Any]) -> dict[str, Markup]:
    """Return the trial's figures by name."""
    found = {
        "order": draw(_order(trial), title="Kendall tau by number of schools and method"),
        "exit": draw(_exit(trial), title="Bad vendors still there, by months of being bad"),
        "calibration": draw(_calibration(trial), title="How often who was said to be bad was bad"),
    }
    if trial["ablations"]:
        found["ablations"] = draw(
            _ablations(trial), title="Kendall tau of ours without one part at a time"
        )
    return found


def _colour() -> dict[str, Any]:
    return {
        "field": "method",
        "type": "nominal",
        "scale": {"domain": list(NAMES.values()), "range": list(COLOURS)},
    }


def _figure(values: list[dict[str, Any]], **rest: Any) -> dict[str, Any]:
    return {
        "background": "white",
        "width": 560,
        "height": 280,
        "padding": 12,
        "data": {"values": values},
        **rest,
    }


def _order(trial: Mapping[str, Any]) -> dict[str, Any]:
    values = [
        {"schools": int(size), "method": NAMES[name], "tau": figures["kendall_tau"]}
        for size, methods in trial["schools"].items()
        for name, figures in methods.items()
    ]
    return _figure(
        values,
        mark={"type": "line", "point": True, "strokeWidth": 2},
        encoding={
            "x": {
                "field": "schools",
                "type": "ordinal",
                "title": "schools",
                "axis": {"labelAngle": 0},
            },
            "y": {"field": "tau", "type": "quantitative", "title": "Kendall tau with the truth"},
            "color": _colour(),
        },
    )


def _exit(trial: Mapping[str, Any]) -> dict[str, Any]:
    sizes = trial["survival"]
    curves = sizes.get("150") or next(iter(sizes.values()))
    end = 36
    values = [
        {"month": time, "share": share, "method": NAMES[name]}
        for name, steps in curves.items()
        for time, share in (*steps, (end, steps[-1][1]))
    ]
    return _figure(
        values,
        mark={"type": "line", "interpolate": "step-after", "strokeWidth": 2},
        encoding={
            "x": {
                "field": "month",
                "type": "quantitative",
                "title": "months since it turned bad",
                "scale": {"domain": [0, end], "nice": False},
            },
            "y": {
                "field": "share",
                "type": "quantitative",
                "title": "still there (Kaplan-Meier)",
                "scale": {"domain": [0, 1]},
                "axis": {"format": "%"},
            },
            "color": _colour(),
        },
    )


def _calibration(trial: Mapping[str, Any]) -> dict[str, Any]:
    values = [
        {"said": row["said"], "bad": row["bad"], "schools": f"{size} schools"}
        for size, rows in trial["calibration"].items()
        for row in rows
    ]
    share = {"scale": {"domain": [0, 1]}, "axis": {"format": "%"}, "type": "quantitative"}
    return _figure(
        values,
        layer=[
            {
                "data": {"values": [{"said": 0, "bad": 0}, {"said": 1, "bad": 1}]},
                "mark": {"type": "line", "color": CHANCE, "strokeDash": [4, 4]},
                "encoding": {
                    "x": {"field": "said", **share},
                    "y": {"field": "bad", **share},
                },
            },
            {
                "mark": {"type": "line", "point": True, "strokeWidth": 2},
                "encoding": {
                    "x": {"field": "said", "title": "P_bad that was said", **share},
                    "y": {"field": "bad", "title": "were bad", **share},
                    "color": {
                        "field": "schools",
                        "type": "nominal",
                        "sort": None,
                        "scale": {"range": list(COLOURS)},
                    },
                },
            },
        ],
    )


def _ablations(trial: Mapping[str, Any]) -> dict[str, Any]:
    size, found = next(iter(trial["ablations"].items()))
    whole = trial["schools"][size]["ours"]["kendall_tau"]
    values = [
        {"part": name.replace("_", " "), "tau": round(figures["kendall_tau"] - whole, 4)}
        for name, figures in found.items()
    ]
    return _figure(
        values,
        mark={"type": "bar", "color": ACCENT},
        encoding={
            "x": {
                "field": "tau",
                "type": "quantitative",
                "title": f"change of Kendall tau, {size} schools",
            },
            "y": {"field": "part", "type": "nominal", "title": None, "sort": "x"},
        },
    )
