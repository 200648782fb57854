"""Price plans of every kind, for tests that must hold for any terms."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

prices = st.decimals(0, 1000, places=4).map(lambda value: f"{value:.4f}")
caps = st.decimals(Decimal("0.0001"), 10_000, places=4).map(lambda value: f"{value:.4f}")


@st.composite
def tiers(draw: st.DrawFn) -> list[dict[str, Any]]:
    ends = sorted(draw(st.sets(st.integers(1, 5_000), max_size=4)))
    return [{"up_to": end, "unit_price": draw(prices)} for end in [*ends, None]]


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """Any terms that may be frozen."""
    plan = draw(st.sampled_from(["per_use", "per_unique_use", "per_learner", "per_class", "flat"]))
    terms: dict[str, Any] = {"plan": plan, "unit_price": draw(prices)}
    if plan != "flat":
        if draw(st.booleans()):
            terms["tiers"] = draw(tiers())
            terms["unit_price"] = terms["tiers"][0]["unit_price"]
        if draw(st.booleans()):
            terms["free_allowance"] = draw(st.integers(1, 10_000))
        if draw(st.booleans()):
            terms["period_cap"] = draw(caps)
    if plan in ("per_use", "per_unique_use") and draw(st.booleans()):
        terms["learner_cap"] = draw(st.integers(1, 500))
    return terms
