"""The web server process: listens where the settings say and serves `market.asgi`.

`market run` binds the socket itself and hands it over, so that a web process that has to be started
again leaves nobody with a refused connection.
"""

import socket
import sys

import uvicorn

from kernel.errors import AddressInUse
from kernel.settings import Settings

APPLICATION = "market.asgi:create_app"
BACKLOG = 1024
GRACE_S = 10


def listen(settings: Settings) -> socket.socket:
    """Return a listening socket on MARKET_HOST:MARKET_PORT, or raise `AddressInUse`."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        # With its protocol named: asyncio sets TCP_NODELAY on such sockets only, and without it
        # each further answer on a connection waits 40 ms for the client's acknowledgement.
        listener = socket.socket(*found[0][:3])
    except OSError as error:
        raise _unusable(settings, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _unusable(settings, error) from None
    return listener


def _unusable(settings: Settings, error: OSError) -> AddressInUse:
    return AddressInUse(host=settings.host, port=settings.port, reason=error.strerror)


def serve_web(listener: socket.socket) -> None:
    """Serve the site on `listener` until told to stop, then let open requests end."""
    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    uvicorn.Server(config).run(sockets=[listener])


def main() -> None:
    """Serve on the socket whose file descriptor is the first argument."""
    serve_web(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
