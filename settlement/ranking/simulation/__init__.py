"""A marketplace of hidden quality, on which rankings are tried before anyone is ranked by them."""
