"""The socket on which the site is served."""

import socket
from dataclasses import replace

from market.serving import listen


def test_the_socket_names_its_protocol_so_that_answers_are_not_held_back(settings):
    """Without it asyncio leaves Nagle's algorithm on: 40 ms for each answer but the first."""
    with listen(replace(settings, port=0)) as listener:
        assert (listener.type, listener.proto) == (socket.SOCK_STREAM, socket.IPPROTO_TCP)
