"""From a census and quotas to a school's funding lines."""
