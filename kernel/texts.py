"""Which characters no text that others read may hold."""

import re
from typing import Final

TURNING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Controls of direction (Unicode's embeddings, overrides and isolates): letters after them are read
in another order than they were written in, figures and names, too."""
PLAIN: Final = "a text without control characters"
"""What is expected instead."""
