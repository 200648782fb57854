"""numpy, loaded by the first who ranks: most commands never do, and it takes long to load.

Processes that read workbooks or Parquet have it anyway (some 10 MB): their libraries take it where
it is installed. Annotations that name it are strings, or loading a module would load it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]
    Real = NDArray[np.floating[Any]]
    Flags = NDArray[np.bool_]
else:

    class _Late:
        """Stands for numpy until something of it is asked for; keeps what was asked."""

        def __getattr__(self, name: str) -> Any:
            found = getattr(import_module("numpy"), name)
            setattr(self, name, found)
            return found

    np = _Late()
    Whole = Real = Flags = Any

__all__ = ["Flags", "Real", "Whole", "np"]
