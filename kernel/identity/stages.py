"""Stages of education (学段), as codes: schools, learners, quotas and resources have them."""

from enum import StrEnum


class Stage(StrEnum):
    KINDERGARTEN = "kindergarten"
    PRIMARY = "primary"
    JUNIOR = "junior"
    SENIOR = "senior"
    HIGHER = "higher"


SCHOOL_STAGES = frozenset(Stage)
STAGES = SCHOOL_STAGES | {""}  # empty: no particular stage
