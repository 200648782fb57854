"""Who reads which language, and how errors and labels read in it."""

from enum import StrEnum
from pathlib import Path

import pytest

from kernel import errors
from kernel.actors import OrganisationKind, Role
from kernel.errors import InvalidAmount, MarketError, WrongCredentials
from kernel.i18n import (
    LOCALES,
    label,
    negotiate,
    readable,
    translate,
    translate_error,
    translations,
)


@pytest.mark.parametrize(
    ("accept", "cookie", "expected"),
    [
        ("", "", "zh_CN"),
        ("en-GB,en;q=0.9", "", "en"),
        ("zh-TW", "", "zh_CN"),
        ("fr-FR,en;q=0.3,zh-CN;q=0.7", "", "zh_CN"),
        ("en;q=0, zh", "", "zh_CN"),
        ("fr", "", "zh_CN"),
        ("en;q=broken", "", "en"),
        ("zh-CN", "en", "en"),
        ("en", "xx", "en"),
    ],
)
def test_the_reader_gets_what_was_chosen_else_what_the_browser_asks_for(accept, cookie, expected):
    assert negotiate(accept, cookie=cookie, default="zh_CN") == expected


def test_a_visitor_without_any_wish_gets_the_installations_language():
    assert negotiate("", cookie="", default="en") == "en"


def test_an_unknown_locale_is_a_defect():
    with pytest.raises(ValueError, match="xx"):
        translations("xx")


def test_an_error_says_what_happened_and_the_way_out_in_chinese():
    assert translate_error(WrongCredentials(), "zh_CN").startswith("账号或密码不正确。请核对")
    assert translate_error(WrongCredentials(), "en").startswith("The account or the password")


def test_codes_among_an_errors_facts_read_as_words_and_data_stays_as_it_is():
    error = InvalidAmount(text="negative", reason="negative", places=2)
    assert translate_error(error, "zh_CN") == (
        "“negative”不是有效的金额（不能为负）。请直接填写数字，不为负，小数不超过 2 位。"
    )
    assert "(negative)" in translate_error(error, "en")


def test_enums_read_as_words_in_their_own_context():
    assert label(Role.PRINCIPAL, "zh_CN") == "校长"
    assert label(Role.ACADEMIC, "en") == "Academic affairs"
    assert label(OrganisationKind.VENDOR, "zh_CN") == "资源提供方"


@pytest.mark.parametrize("locale", LOCALES)
def test_what_is_not_stated_reads_as_nothing(locale):
    """Under the empty word a catalogue keeps its header."""
    assert label("", locale, kind="Stage") == ""


def test_a_label_takes_its_kinds_word_then_the_common_one_then_the_code():
    class Unheard(StrEnum):
        STATE = "quite_unheard_of"

    assert label("open", "zh_CN", kind="period") == "未结算"
    assert label("draft", "zh_CN", kind="period") == "草稿"
    assert label(Unheard.STATE, "zh_CN") == "Quite unheard of"


def test_what_is_empty_stays_empty():
    # gettext answers the empty message with the catalogue's header
    assert all(translate("", locale) == "" for locale in LOCALES)


def all_errors(parent: type[MarketError] = MarketError) -> list[type[MarketError]]:
    return [parent, *(one for child in parent.__subclasses__() for one in all_errors(child))]


def test_every_error_has_a_chinese_title():
    missing = [
        one.code
        for one in all_errors()
        if one.__module__.startswith(errors.__name__)
        and label(one.code, "zh_CN", kind="problem") == readable(one.code)
    ]
    assert missing == []


@pytest.mark.parametrize("locale", LOCALES)
def test_a_catalogue_is_text_only(locale):
    folder = Path(errors.__file__).parents[1] / "locale" / locale / "LC_MESSAGES"
    assert [path.name for path in folder.iterdir()] == ["messages.po"]
