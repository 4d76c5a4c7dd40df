"""Route 53: moto writes a new zone's start of authority as the text of a Python value."""

from moto.route53.models import FakeZone, Route53Backend

from .world import replace


def install() -> None:
    moto_create = Route53Backend.create_hosted_zone

    def create(backend: Route53Backend, *args, **kwargs) -> FakeZone:
        zone = moto_create(backend, *args, **kwargs)
        for record in zone.rrsets:
            record.records = [v["Value"] if isinstance(v, dict) else v for v in record.records]
        return zone

    replace(Route53Backend, "create_hosted_zone", create)
