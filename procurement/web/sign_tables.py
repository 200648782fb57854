"""The form of a table of signatures: its rows as typed, what it would mean, and its proposal."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from litestar import Response

from catalog.kinds import KINDS, TIERS
from kernel.actors import Role
from kernel.clock import parse_day, shanghai_day
from kernel.errors import InvalidAmount, InvalidInput, MarketError
from kernel.http.pages import Form, Page
from kernel.i18n import label, msgid, translate, translate_error
from kernel.identity.recording import FieldError
from kernel.money import parse_fen, plain_yuan
from procurement.approval_rule_previews import SignTable, TablePreview, preview_table
from procurement.approval_rule_proposals import propose_table
from procurement.approval_rules import SIGNING_ROLES, SOURCES, approval_rule_history
from procurement.policy import BULK, DUE_WORKDAYS, Threshold
from procurement.web.records import RULES, open_table
from procurement.web.request_forms import Texts, listed
from procurement.web.waiting_records import RECORDS

BLANK_ROWS: Final = 2
AGAIN: Final = "yes"
PREVIEW: Final = "preview"
CHAIN: Final = (
    Role.RESEARCH_LEAD,
    Role.ACADEMIC,
    Role.SCHOOL_FINANCE,
    Role.PRINCIPAL,
    Role.BUREAU_FINANCE,
)


class SignTableForm(Form, frozen=True):
    """A table as typed: its rows in the order of signing, the same in every list.

    A row without a role is none. `act`: preview | propose.
    """

    valid_from: str = ""
    reason: str = ""
    role: Texts = ""
    from_amount: Texts = ""
    kind: Texts = ""
    tier: Texts = ""
    source: Texts = ""
    again: Texts = ""
    days: Texts = ""
    act: str = PREVIEW

    def rows(self) -> list[dict[str, str]]:
        """Return the typed rows that name a role."""
        lists = {name: listed(getattr(self, name)) for name in ROW_FIELDS}
        return [
            {
                name: texts[place].strip() if place < len(texts) else ""
                for name, texts in lists.items()
            }
            for place, role in enumerate(lists["role"])
            if role.strip()
        ]


ROW_FIELDS: Final = ("role", "from_amount", "kind", "tier", "source", "again", "days")


def show_table_form(
    page: Page,
    *,
    form: SignTableForm | None = None,
    errors: Mapping[str, str] | None = None,
    preview: TablePreview | None = None,
) -> Response[Any]:
    """Ask for a table of the actor's region; a new form begins with what is in force."""
    tomorrow = shanghai_day(page.unit.clock.now()) + timedelta(days=1)
    rows = form.rows() if form is not None else _in_force(page)
    blank = dict.fromkeys(ROW_FIELDS, "") | {"days": str(DUE_WORKDAYS)}
    return page.render(
        "procurement/table_form.html",
        form=form or SignTableForm(valid_from=tomorrow.isoformat()),
        rows=[*rows, *(blank for _ in range(BLANK_ROWS))],
        errors=errors or {},
        address=RULES,
        roles=[(one, label(one, page.locale, kind=Role.__name__)) for one in CHAIN],
        kinds=[
            *_words(page, sorted(KINDS), kind="ResourceKind"),
            (BULK, label(BULK, page.locale, kind="SelectionKind")),
        ],
        tiers=_words(page, sorted(TIERS), kind="Tier"),
        sources=_words(page, sorted(SOURCES), kind="source"),
        preview=preview,
        open_selections=open_table(page, preview) if preview is not None else None,
    )


def post_table(page: Page, form: SignTableForm) -> Response[Any]:
    """Show what the typed table would mean, or propose it for the actor's region."""
    try:
        table = _read(page, form)
        if form.act == PREVIEW:
            found = preview_table(page.unit, table)
            return show_table_form(page, form=form, preview=found)
        number = propose_table(page.unit, table, reason=form.reason)
    except FieldError as error:
        text = translate_error(error.error, page.locale)
        return show_table_form(page, form=form, errors={error.field: text})
    except MarketError as error:
        field = str(error.facts.get("field", ""))
        name = field if field in {"valid_from", "reason"} else ""
        text = translate_error(error, page.locale)
        return show_table_form(page, form=form, errors={name: text})
    return page.redirect(f"{RECORDS}/{number}")


def _in_force(page: Page) -> list[dict[str, str]]:
    tables = approval_rule_history(page.unit, page.actor.region_code)
    thresholds: Sequence[Threshold] = next(
        (table.thresholds for table in tables if table.in_force), ()
    )
    return [
        {
            "role": one.role,
            "from_amount": plain_yuan(one.from_amount_fen),
            "kind": one.kind,
            "tier": one.tier,
            "source": one.source,
            "again": AGAIN if one.may_repeat else "",
            "days": str(one.due_workdays),
        }
        for one in thresholds
    ]


def _words(page: Page, words: Sequence[str], *, kind: str) -> list[tuple[str, str]]:
    everything = translate(msgid("everything"), page.locale)
    return [("", everything), *((one, label(one, page.locale, kind=kind)) for one in words)]


def _read(page: Page, form: SignTableForm) -> SignTable:
    """Return the table as typed; raise what can't be read of it."""
    return SignTable(
        region_code=page.actor.region_code,
        valid_from=_day(form.valid_from),
        thresholds=[_threshold(row, position) for position, row in enumerate(form.rows(), start=1)],
    )


def _day(text: str) -> date:
    try:
        return parse_day(text.strip())
    except MarketError as error:
        error.facts["field"] = "valid_from"
        raise


def _threshold(row: Mapping[str, str], position: int) -> Threshold:
    if row["role"] not in SIGNING_ROLES:
        raise InvalidInput(
            value=row["role"], field="role", expected=", ".join(sorted(SIGNING_ROLES))
        )
    if not (row["days"].isascii() and row["days"].isdigit()):
        raise InvalidInput(value=row["days"], field="due_workdays", expected="0 – 60")
    try:
        from_amount_fen = parse_fen(row["from_amount"])
    except InvalidAmount as error:
        raise InvalidAmount(**{**error.facts, "field": "from_amount"}) from None
    return Threshold(
        position=position,
        role=Role(row["role"]),
        from_amount_fen=from_amount_fen,
        kind=row["kind"],
        tier=row["tier"],
        source=row["source"],
        may_repeat=row["again"] == AGAIN,
        due_workdays=int(row["days"][:6]),
    )
