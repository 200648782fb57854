"""Arrays of whole numbers, of real ones and of flags, as they are called in what ranks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Real = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
