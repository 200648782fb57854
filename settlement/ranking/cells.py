"""How a cell, `stage/subject/type`, is told where something is refused: by its parts."""

from kernel.identity.stages import Stage

EVERYTHING = "everything"


def told_cell(cell: str) -> tuple[str, ...]:
    """Return a cell's parts that name something; the stage is a word of ours."""
    stage, *others = cell.split("/", 2)
    parts = (Stage(stage) if stage in set(Stage) else stage, *others)
    return tuple(one for one in parts if one) or (EVERYTHING,)
