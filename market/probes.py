"""What machines ask the service: does it live, can it work, how does it fare."""

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from sqlalchemy import text

from kernel.actors import VISITOR
from kernel.http.pages import PUBLIC
from kernel.unit import Units
from market.metrics import METRICS_TYPE, RequestMetrics


@get("/healthz", opt=PUBLIC, media_type=MediaType.TEXT, sync_to_thread=False)
def healthz() -> str:
    """Answer as long as the process lives; needs no database."""
    return "ok"


@get("/readyz", opt=PUBLIC, media_type=MediaType.TEXT, sync_to_thread=True)
def readyz(units: NamedDependency[Units]) -> str:
    """Answer once the database does; else 503."""
    with units(VISITOR) as unit:
        unit.session.execute(text("SELECT 1"))
    return "ok"


@get("/metrics", opt=PUBLIC, sync_to_thread=False, include_in_schema=False)
def metrics(request_metrics: NamedDependency[RequestMetrics]) -> Response[bytes]:
    """Return this process's metrics for Prometheus."""
    return Response(request_metrics.exposition(), media_type=METRICS_TYPE)
