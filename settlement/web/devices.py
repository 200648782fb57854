"""Classroom boxes on pages: a school's own, and those that a bureau confirms."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from litestar import Response

from kernel.errors import AlreadyExists, InvalidInput
from kernel.http.pages import Form, Page
from kernel.i18n import msgid, translate, translate_error
from kernel.identity.names import names_of_actors
from kernel.web.tables import Column, tabulate
from settlement.metering.devices import (
    CONFIRMERS,
    KEEPERS,
    DeviceRow,
    confirm_device,
    register_device,
    revoke_device,
    visible_device,
    visible_devices,
)

SCHOOL_DEVICES: Final = "/school/devices"
BUREAU_DEVICES: Final = "/bureau/devices"
NONE_OF_SCHOOL = msgid("No box is registered. One serves classrooms that have no network.")
NONE_OF_BUREAU = msgid("No school below you has registered a box.")


class DeviceForm(Form, frozen=True):
    name: str = ""
    public_key: str = ""


class DeviceAct(Form, frozen=True):
    """Nothing but the proof that the form is ours."""


def show_devices(page: Page, base: str) -> Response[Any]:
    """List the boxes that the person sees; `base` is the address of the list."""
    return _list(page, base, form=DeviceForm(), errors={}, status=200)


def register(page: Page, *, form: DeviceForm) -> Response[Any]:
    """Register a box and show it; what is wrong is said beside the form."""
    try:
        register_device(page.unit, name=form.name, public_key_pem=form.public_key)
    except (InvalidInput, AlreadyExists) as error:
        errors = {str(error.facts.get("field", "public_key")): translate_error(error, page.locale)}
        return _list(page, SCHOOL_DEVICES, form=form, errors=errors, status=error.status)
    return page.redirect(SCHOOL_DEVICES)


def show_device(page: Page, base: str, code: str) -> Response[Any]:
    """Show one box with its fingerprint, and what may be done with it."""
    device = visible_device(page.unit, code)
    return page.render(
        "settlement/device.html",
        device=device,
        registered_by=names_of_actors(page.unit, {device.registered_by}, locale=page.locale)[
            device.registered_by
        ],
        base=base,
        may_confirm=device.state == "waiting" and page.actor.may(*CONFIRMERS),
        may_revoke=device.state != "revoked" and page.actor.may(*KEEPERS, *CONFIRMERS),
    )


def confirm(page: Page, code: str) -> Response[Any]:
    """Confirm a box as the bureau."""
    confirm_device(page.unit, code)
    return page.redirect(f"{BUREAU_DEVICES}/{code}")


def revoke(page: Page, base: str, code: str) -> Response[Any]:
    """Revoke a box; it stays in the list, as revoked."""
    revoke_device(page.unit, code)
    return page.redirect(f"{base}/{code}")


def _list(
    page: Page, base: str, *, form: DeviceForm, errors: dict[str, str], status: int
) -> Response[Any]:
    def href(row: DeviceRow) -> str:
        return f"{base}/{row.code}"

    of_school = base == SCHOOL_DEVICES
    rows = visible_devices(page.unit)
    names = names_of_actors(page.unit, {row.registered_by for row in rows}, locale=page.locale)
    columns = _columns(href, names, with_school=not of_school)
    table = tabulate(
        translate(msgid("Classroom boxes"), page.locale),
        columns,
        rows,
        view=page.view(columns),
        empty=NONE_OF_SCHOOL if of_school else NONE_OF_BUREAU,
    )
    if not errors and page.request.query_params.get("format"):
        return page.render_table("settlement/devices.html", table, file_name="classroom-boxes")
    return page.render(
        "settlement/devices.html",
        status=status,
        table=table,
        base=base,
        form=form,
        errors=errors,
        may_register=of_school and page.actor.may(*KEEPERS),
    )


def _columns(
    href: Callable[[DeviceRow], str], names: Mapping[str, str], *, with_school: bool
) -> tuple[Column[DeviceRow], ...]:
    school: Column[DeviceRow] = Column(
        key="school_name", title=msgid("School"), value=lambda row: row.school_name, sortable=True
    )
    return (
        Column(key="name", title=msgid("Box"), value=lambda row: row.name, href=href),
        *((school,) if with_school else ()),
        Column(
            key="state",
            title=msgid("State"),
            value=lambda row: row.state,
            kind="state",
            label_kind="device",
        ),
        Column(key="code", title=msgid("Code"), value=lambda row: row.code, kind="code"),
        Column(
            key="registered_at",
            title=msgid("Registered"),
            value=lambda row: row.registered_at,
            kind="moment",
            sortable=True,
            secondary=True,
        ),
        Column(
            key="registered_by",
            title=msgid("Registered by"),
            value=lambda row: names[row.registered_by],
            secondary=True,
        ),
    )
