"""Settings page: `python -m market.checks.settings_page [--write]`.

The table in docs/settings.md is made from the settings' own metadata. Without `--write` it is only
compared, and a difference is an error.
"""

import sys
from dataclasses import fields
from pathlib import Path

import click

from kernel.settings import Settings

PAGE = Path("docs") / "settings.md"
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"


def table() -> str:
    """Return the table of all settings in Markdown."""
    rows = ["| Variable | Default | Meaning |", "| --- | --- | --- |"]
    for one in fields(Settings):
        facts = one.metadata
        default = f"`{facts['default']}`" if facts["default"] else "—"
        meaning = facts["help"].replace("|", "\\|") + (" *Secret.*" if facts["secret"] else "")
        rows.append(f"| `{facts['name']}` | {default} | {meaning} |")
    return "\n".join(rows)


def with_table(page: str) -> str:
    """Return `page` with the table between its two marks made anew."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


@click.command()
@click.option("--write", is_flag=True, help="Write the table into the page.")
def main(*, write: bool) -> None:
    """Compare docs/settings.md with the settings, or write it anew."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = with_table(page)
    if write:
        PAGE.write_text(wanted, encoding="utf-8")
    elif page != wanted:
        click.echo(f"{PAGE} is out of date: run python -m {__spec__.name} --write", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
