"""The page on how rankings are reckoned names every number of what is published, in words."""

from collections.abc import Iterator
from typing import Any

from settlement.ranking.rules import SHIPPED
from settlement.web.ranking_numbers import WHAT_IT_IS, numbers_of


def published(content: Any, *, name: str = "") -> Iterator[str]:
    """Return the names of all numbers in what is published, wherever they stand."""
    if not isinstance(content, dict):
        yield name
        return
    for key, value in content.items():
        yield from published(value, name=f"{name}.{key}" if name else key)


def test_every_number_stands_on_the_page_with_its_value_and_in_words():
    """R45, R51: guards, bounds and what becomes evidence too; only versions stand apart."""
    told = {one.name: one for one in numbers_of(SHIPPED, "zh_CN")}
    names = {name.removeprefix("ranking.") for name in published(SHIPPED.content())}
    assert told.keys() == names - {"version", "evidence.version"} == WHAT_IT_IS.keys()
    for one in told.values():
        assert one.words != WHAT_IT_IS[one.name], f"{one.name} is not translated"
    values = {name: told[name].value for name in told}
    assert values["gates.return_days"] == "366"
    assert values["phi_bounds"] == "0.05 … 1"
    assert values["guards.low_stays"] == "是"
    assert values["bands"] == "A ≥ 75 · B ≥ 62 · C ≥ 52 · D ≥ 0"
    assert values["evidence.not_the_vendors"] == "财政年度已关账 · 非本校学习者"
    assert "change" not in values["evidence.excused_ends"]
