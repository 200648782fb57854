"""The web application: routes, dependencies and hooks put together; one per web process.

It starts without its database: `/healthz` answers, `/readyz` and every page say 503 until it is
back. All pages of people lie in one router whose forms are checked; machines have their own.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

from jinja2 import BaseLoader, PackageLoader
from litestar import Litestar, Router
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from catalog import api as resources_api
from catalog.attachments.vault import Vault, open_vault
from kernel.http.callers import CallerDoor
from kernel.http.machines import MachineDoor
from kernel.http.pages import PUBLIC, PageOpener, admitted_first
from kernel.http.problems import problem_handler
from kernel.http.security import add_security_headers
from kernel.http.sessions import check_form
from kernel.http.uploads import keys_first, upload_receiver
from kernel.settings import Settings
from kernel.unit import Units
from kernel.web.assets import Assets
from kernel.web.rendering import Renderer
from market import evaluating, sharing_api, works_api
from market.bootstrap import build_units
from market.bureau import desk_api
from market.bureau import pages as bureau_pages
from market.bureau import payments as payments_pages
from market.classrooms import api as classroom_api
from market.classrooms import pages as classroom_pages
from market.demo.accounts import DemoAccount, demo_accounts
from market.embedded import ensure_server
from market.frame import complete_frame
from market.learn import api as learn_api
from market.learn import credits as learn_credits
from market.learn import pages as learn_pages
from market.metrics import RequestMetrics
from market.probes import healthz, metrics, readyz
from market.public import catalog as catalog_pages
from market.public import evaluations as evaluation_pages
from market.public import files, responsibility
from market.public import pages as public_pages
from market.public import rankings as ranking_pages
from market.school import pages as school_pages
from market.worker import CeleryDispatcher, build_celery
from procurement.api import selections as selections_api
from settlement.api import agreements as agreements_api
from settlement.api import credits as credits_api
from settlement.api import evaluations as evaluations_api
from settlement.api import findings as findings_api
from settlement.api import payouts as payouts_api
from settlement.api import ranking_evidence as ranking_evidence_api
from settlement.api import rankings as rankings_api
from settlement.api import standings as standings_api
from settlement.api import usage as usage_api
from settlement.api import webhooks as webhooks_api
from vendor_portal import api as vendor_api
from vendor_portal import attachments as attachments_api
from vendor_portal import pages as vendor_pages

LONGEST_BODY_BYTES = 10_000_000

LOADERS: Mapping[str, BaseLoader] = {
    "public": PackageLoader("market.public"),
    "school": PackageLoader("market.school"),
    "bureau": PackageLoader("market.bureau"),
    "vendor": PackageLoader("vendor_portal"),
    "procurement": PackageLoader("procurement.web"),
    "settlement": PackageLoader("settlement.web"),
    "catalog": PackageLoader("catalog.web"),
}
"""Where templates are, by the prefix of their names."""


def create_app(
    settings: Settings | None = None,
    units: Units | None = None,
    *,
    accounts: Sequence[DemoAccount] | None = None,
) -> Litestar:
    """Return the application; without arguments as the environment says.

    `accounts` are shown at the sign-in in demo mode, by default those of the sample county.
    """
    settings = settings or Settings.load()
    units = units or _units(settings)
    renderer = Renderer(LOADERS)
    pages = PageOpener(units=units, renderer=renderer, complete=complete_frame)
    machines = MachineDoor(units)
    request_metrics = RequestMetrics()
    shown = tuple(demo_accounts() if accounts is None else accounts) if settings.demo else ()

    async def size_threads() -> None:
        # One connection per thread: a handler that has a thread never waits for a connection.
        handlers = ThreadPoolExecutor(settings.database_pool, thread_name_prefix="handler")
        asyncio.get_running_loop().set_default_executor(handlers)

    return Litestar(
        route_handlers=[
            *(healthz, readyz, metrics, learn_api.keys),
            *webhooks_api.HANDLERS,
            page_router(pages),
            machine_router(),
            caller_router(pages),
            upload_router(pages, machines, settings),
        ],
        dependencies={
            "units": _given(units),
            "settings": _given(settings),
            "pages": _given(pages),
            "machines": _given(machines),
            "callers": _given(CallerDoor(machines, pages)),
            "vault": Provide(lambda: open_vault(settings), sync_to_thread=False),
            "assets": _given(renderer.assets),
            "request_metrics": _given(request_metrics),
            "demo_accounts": _given(shown),
        },
        signature_types=[
            Assets,
            CallerDoor,
            MachineDoor,
            PageOpener,
            RequestMetrics,
            Settings,
            Units,
            Vault,
        ],
        exception_handlers={
            Exception: problem_handler(pages.error_page, locale=settings.locale),
        },
        middleware=[request_metrics.start_clock],
        before_send=[add_security_headers, request_metrics.observe],
        openapi_config=_openapi(),
        request_max_body_size=LONGEST_BODY_BYTES,
        on_startup=[size_threads],
        on_shutdown=[units.engine.dispose],
        on_app_init=[_without_logging],
    )


def page_router(pages: PageOpener) -> Router:
    """Return all pages of people under one router, which checks who sends forms and from where."""
    return Router(
        "/",
        route_handlers=[
            *public_pages.HANDLERS,
            *responsibility.HANDLERS,
            *catalog_pages.HANDLERS,
            *files.PAGES,
            *ranking_pages.HANDLERS,
            *evaluation_pages.HANDLERS,
            *evaluating.HANDLERS,
            *school_pages.HANDLERS,
            *classroom_pages.HANDLERS,
            *learn_pages.HANDLERS,
            *learn_credits.HANDLERS,
            *learn_api.HANDLERS,
            *bureau_pages.HANDLERS,
            *vendor_pages.HANDLERS,
        ],
        guards=[admitted_first(pages)],
        before_request=check_form,
        include_in_schema=False,
    )


def machine_router() -> Router:
    """Return the interfaces for machines, which come with keys and never with cookies."""
    return Router("/api/v1", route_handlers=[*usage_api.HANDLERS, *classroom_api.HANDLERS])


def caller_router(pages: PageOpener) -> Router:
    """Return the interfaces for people's scripts and for machines alike."""
    return Router(
        "/api/v1",
        route_handlers=[
            *resources_api.HANDLERS,
            *selections_api.HANDLERS,
            *agreements_api.HANDLERS,
            *payouts_api.HANDLERS,
            *rankings_api.HANDLERS,
            *ranking_evidence_api.HANDLERS,
            *standings_api.HANDLERS,
            *evaluations_api.HANDLERS,
            *findings_api.HANDLERS,
            *credits_api.HANDLERS,
            *desk_api.HANDLERS,
            *vendor_api.HANDLERS,
            *attachments_api.HANDLERS,
            *files.HANDLERS,
            *sharing_api.HANDLERS,
            *works_api.HANDLERS,
        ],
        before_request=check_form,
        guards=[admitted_first(pages, keys_too=True)],
    )


def upload_router(pages: PageOpener, machines: MachineDoor, settings: Settings) -> Router:
    """Return the routes that take a file, for pages and interfaces: it comes as a stream."""
    return Router(
        "/",
        route_handlers=[*attachments_api.UPLOADS, *evaluating.UPLOADS, *payments_pages.UPLOADS],
        before_request=upload_receiver(settings),
        guards=[admitted_first(pages, keys_too=True), keys_first(machines)],
    )


def _units(settings: Settings) -> Units:
    url = settings.database_url or ensure_server(settings)
    return build_units(settings, url, CeleryDispatcher(build_celery(settings, url)))


def _given(value: Any) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


def _openapi() -> OpenAPIConfig:
    """Describe the interfaces as JSON only: the usual pages for it load foreign scripts."""
    return OpenAPIConfig(
        title="Xuanyong",
        version=version("xuanyong"),
        render_plugins=[JsonRenderPlugin()],
        openapi_router=Router("/schema", route_handlers=[], opt=PUBLIC, include_in_schema=False),
    )


def _without_logging(config: AppConfig) -> AppConfig:
    """Leave logging to the process; errors are logged once, with their incident."""
    config.logging_config = None
    return config
