"""`market simulate ranking`: the ranking tried on a marketplace whose hidden quality is known."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import click

from kernel.errors import InvalidInput, UnwritableFile
from market.cli.output import emit, json_option, note, progress_bar
from market.cli.ranking_charts import charts_of
from settlement.ranking.simulation.running import run_trial

COLUMNS = (
    ("kendall_tau", "Kendall tau"),
    ("ndcg10", "NDCG@10"),
    ("bad_removed", "bad removed"),
    ("false_elimination", "wrongly removed"),
    ("brushers_caught", "brushers caught"),
    ("months_to_exit", "months to exit"),
    ("newcomer_exposure", "newcomers seen"),
)
SMALLEST, LARGEST = 20, 5_000


@click.command("ranking")
@click.option("--seeds", type=click.IntRange(1, 1_000), default=20, show_default=True)
@click.option(
    "--tuning",
    type=click.IntRange(1, 1_000),
    default=40,
    show_default=True,
    help="Other marketplaces, on which the baselines are tuned.",
)
@click.option(
    "--schools", "sizes", default="50,150,400", show_default=True, help="Numbers of schools."
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw the figures as SVG into this folder.",
)
@json_option
def simulate_ranking(
    *, seeds: int, tuning: int, sizes: str, figures: Path | None, as_json: bool
) -> None:
    """Rank simulated marketplaces of hidden quality by our method and by four others.

    Measured on seeds that nothing was tuned on. Touches no database; 80 seeds take some minutes.
    """
    if figures is not None:
        _require_folder(figures)
    with progress_bar("marketplaces") as report:
        found = run_trial(seeds=seeds, tuning=tuning, sizes=_sizes(sizes), report=report)
    if figures is not None:
        for name, svg in charts_of(found).items():
            path = figures / f"ranking-{name}.svg"
            path.write_text(f"{svg}\n", encoding="utf-8")
            note(f"drawn: {path}")
    emit(found, _lines(found), as_json=as_json)


def _require_folder(figures: Path) -> None:
    """Make the folder before the trial, or raise `UnwritableFile`: it takes minutes."""
    try:
        figures.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=figures):
            pass
    except OSError as error:
        raise UnwritableFile(file=figures, reason=error.strerror) from error


def _sizes(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not (part.isascii() and part.isdigit() and SMALLEST <= int(part) <= LARGEST):
            raise InvalidInput(
                field="--schools", value=part, expected=f"{SMALLEST} … {LARGEST}, such as 50,150"
            )
    return sorted({int(part) for part in parts})


def _lines(found: dict[str, Any]) -> Sequence[str]:
    seeds = found["seeds"]
    held_out, tuning = ("-".join(map(str, seeds[name])) for name in ("held_out", "tuning"))
    lines = [f"held-out seeds {held_out}, tuned on {tuning}, configuration {found['config']}"]
    for size, methods in found["schools"].items():
        lines += ["", f"{size} schools", _row("", [title for _, title in COLUMNS])]
        lines += _table(methods)
        if size in found["ablations"]:
            lines += _table(found["ablations"][size])
        cost = found["attack"][size]
        lines.append(
            "captive schools per place gained: "
            + ", ".join(f"{name} {one['schools_per_place']}" for name, one in cost.items())
        )
    return lines


def _table(methods: dict[str, Any]) -> list[str]:
    return [
        _row(name, [_shown(figures[column]) for column, _ in COLUMNS])
        for name, figures in methods.items()
    ]


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:<24}" + "".join(f"{cell:>17}" for cell in cells)


def _shown(value: float | None) -> str:
    if value is None:
        return "not reached"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
