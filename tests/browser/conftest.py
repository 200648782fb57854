"""What each test in a browser starts with: the site, and a window that stays on its host."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from kernel.settings import Settings
from kernel.unit import Units
from tests.support.application import an_app
from tests.support.browser import WIDE
from tests.support.server import serve


@pytest.fixture
def address(settings: Settings, units: Units) -> Iterator[str]:
    with serve(an_app(settings, units)) as address:
        yield address


@pytest.fixture
def context(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """A fresh Chinese browser window; every request that it sends stays on the host."""
    context = browser.new_context(base_url=address, viewport=WIDE, locale="zh-CN")
    requested: list[str] = []
    context.on("request", lambda request: requested.append(request.url))
    yield context
    context.close()
    assert [url for url in requested if not url.startswith((address, "data:"))] == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
