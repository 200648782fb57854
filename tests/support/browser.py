"""A Chromium for the tests that need one: the machine's, Playwright's, or Debian's; and its use.

Where none can be had the tests are skipped with the reason; with XUANYONG_REQUIRE_BROWSER=1, as in
CI, they fail instead.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, ViewportSize, sync_playwright

from tests.support.accounts import PASSWORD

WIDE: ViewportSize = {"width": 1366, "height": 768}
NARROW: ViewportSize = {"width": 390, "height": 844}

ON_THE_MACHINE = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BRING_TIMEOUT_S = 300
ARGUMENTS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Yield a running Chromium; skip (or fail) the test if there is none."""
    executable = chromium()
    # Chromium's sandbox refuses to run as root.
    arguments = [*ARGUMENTS, "--no-sandbox"] if os.geteuid() == 0 else [*ARGUMENTS]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def enter(page: Page, login: str) -> None:
    """Sign in as this person, and nobody else any more."""
    page.context.clear_cookies()
    page.goto("/sign-in")
    page.get_by_label("账号").fill(login)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


def press(page: Page, name: str) -> None:
    """Press a button, and be on the page that it leads to: who goes on too soon calls it off."""
    with page.expect_navigation():
        page.get_by_role("button", name=name).click()


def assert_sound(page: Page) -> None:
    """Nothing serious by axe, and no sideways scrolling on a narrow screen."""
    serious = [one for one in _violations(page) if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []
    page.set_viewport_size(NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.set_viewport_size(WIDE)


def _violations(page: Page) -> list[dict[str, Any]]:
    """Return what axe finds, on the page that the last click was still leading to."""
    try:
        found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    except Error:  # the document went away under it; what is wrong with axe itself comes again
        page.wait_for_load_state()
        found = Axe().run(page).response["violations"]
    return found


def chromium() -> str:
    """Return the path of a Chromium, bringing one if need be."""
    path, reason = _find_or_bring()
    if path:
        return path
    if os.environ.get("XUANYONG_REQUIRE_BROWSER") == "1":
        pytest.fail(f"no browser: {reason}")
    pytest.skip(f"no browser: {reason}")


@cache
def _find_or_bring() -> tuple[str | None, str]:
    path = _on_the_machine() or _from_playwright()
    if path:
        return path, ""
    reasons = [_run(sys.executable, "-m", "playwright", "install", "chromium")]
    path = _from_playwright()
    if path is None and os.geteuid() == 0 and shutil.which("apt-get"):
        reasons.append(_run("apt-get", "install", "--yes", "--no-install-recommends", "chromium"))
        path = _on_the_machine()
    return path, "; ".join(filter(None, reasons))


def _on_the_machine() -> str | None:
    return next(filter(None, map(shutil.which, ON_THE_MACHINE)), None)


def _from_playwright() -> str | None:
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


def _run(*command: str) -> str:
    """Run `command`; return the last line of what it said if it failed."""
    name = " ".join(command[-3:])
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=BRING_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{name}: {error}"
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"{name}: {said[-1] if said else 'failed'}" if done.returncode else ""
