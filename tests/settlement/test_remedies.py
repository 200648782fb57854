"""What to do about a row of usage that was not taken."""

from kernel.i18n import translate
from market.checks.translations import read_catalogue
from settlement.metering.remedies import mending


def test_every_reason_that_has_a_label_says_what_to_do():
    """R32: whatever a row is put aside for, there is a way out, and in Chinese too."""
    labels = [one.id for one in read_catalogue("zh_CN") if one.context == "quarantine"]
    assert len(labels) > 40
    for words in labels:
        remedy = mending(words.lower().replace(" ", "-")).remedy
        assert remedy, words
        assert translate(remedy, "zh_CN") != remedy
