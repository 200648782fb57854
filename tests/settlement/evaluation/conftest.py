"""A market with an evaluator that no bureau has let in yet."""

import pytest

from kernel.unit import Units
from tests.support.evaluation_builders import Scene, a_scene


@pytest.fixture
def scene(units: Units) -> Scene:
    return a_scene(units)
