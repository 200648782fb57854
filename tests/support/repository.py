"""The repository's own files, read once: for tests of rules that every file has to keep."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("kernel", "catalog", "settlement", "procurement", "vendor_portal", "market")


@cache
def tracked() -> tuple[str, ...]:
    """Every file that belongs to the repository, also those not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return tuple(name for name in listed if name and (ROOT / name).is_file())


@cache
def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse(read(name))


def files(*endings: str, within: tuple[str, ...] = PACKAGES) -> Iterator[str]:
    """Yield the files below some folders whose names end in one of `endings`."""
    folders = tuple(f"{folder}/" for folder in within)
    return (name for name in tracked() if name.endswith(endings) and name.startswith(folders))


def python_files(*folders: str) -> Iterator[str]:
    return files(".py", within=folders or PACKAGES)
