"""The table from which a school or a bureau chooses: what is listed and priced, by words."""

from catalog.kinds import ResourceKind
from kernel.http.pages import Page
from kernel.i18n import label, msgid, translate
from kernel.web.tables import Column, Filter, Table
from procurement.choices import Choice, choices

WORDS = Filter(key="words", title=msgid("Title, subject, vendor"))
STAGES = ("primary", "junior", "senior", "kindergarten", "higher")
COLUMNS: list[Column[Choice]] = [
    Column(key="title", title=msgid("Resource"), value=lambda row: row.title),
    Column(key="price", title=msgid("Price, tax included"), value=lambda row: row.plan["plan"]),
]


def choices_table(page: Page) -> Table[Choice]:
    """Return a page of what is listed, narrowed as its address says."""
    filters = (
        WORDS,
        Filter(
            key="stage",
            title=msgid("Stage"),
            options=tuple((one, label(one, page.locale, kind="Stage")) for one in STAGES),
        ),
        Filter(
            key="kind",
            title=msgid("Kind"),
            options=tuple((one.value, label(one, page.locale)) for one in ResourceKind),
        ),
    )
    view = page.view(COLUMNS, filters=filters)
    per_page = view.per_page or 50
    wanted = {key: view.filters.get(key, "") for key in ("words", "stage", "kind")}
    rows, count = choices(page.unit, **wanted, limit=per_page, offset=view.offset)
    within = view.within(count)
    if within.page != view.page:
        rows, count = choices(page.unit, **wanted, limit=per_page, offset=within.offset)
    return Table(
        caption=translate(msgid("What is listed"), page.locale),
        columns=COLUMNS,
        rows=rows,
        view=within,
        count=count,
        filters=filters,
        empty=msgid("Nothing is listed yet. The education bureau admits resources."),
        exportable=False,
    )
