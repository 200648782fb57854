"""The worked examples of docs/guides/pricing.md are what the product computes."""

import re
from pathlib import Path

import msgspec

from kernel.money import yuan
from market.cli.main import COMMANDS
from settlement.pricing import METRICS, check_terms, price

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "pricing.md"
EXAMPLE = re.compile(r"^\| `(\{.*\})` \| (\d+) \| ([\d.]+) \| `(.*)` \|$", re.MULTILINE)


def test_each_example_of_the_guide_is_right() -> None:
    """R33: by hand in the guide, by the product here."""
    examples = EXAMPLE.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(examples) >= 10
    for terms_text, quantity, amount, arithmetic in examples:
        terms = msgspec.json.decode(terms_text)
        check_terms(terms)
        priced = price(terms, int(quantity))
        assert (yuan(priced.amount_fen), priced.arithmetic) == (amount, arithmetic)


def test_the_guide_names_every_plan_and_only_commands_that_are_there() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert all(f"| `{plan.value}` |" in text for plan in METRICS)
    named = set(re.findall(r"^market (\w+)", text, re.MULTILINE))
    assert named and named <= set(COMMANDS)
