# The standby takes over the primary (facts §5.3): the primary's record is guarded by an inverted check on an object in
# the standby's region. No object: S3 answers 403, the check fails, and inverted it is well, so the primary is
# answered. A failover writes the object, a call of S3's data plane in the region that lives on; no record and no check
# is ever changed for it, because Route 53 is controlled from the region that may be lost.
#
# Trouble of the standby's region cannot move anybody: a bucket that does not answer is no object. And while the check
# knows nothing yet, an inverted one begins unhealthy: point users here only once it is well.

resource "aws_route53_health_check" "marker" {
  provider = aws.primary
  count    = var.traffic == null ? 0 : 1

  reference_name     = "${var.name}-marker"
  type               = "HTTPS"
  fqdn               = module.markers.host
  port               = 443
  resource_path      = "/${local.marker}"
  enable_sni         = true
  invert_healthcheck = true
  # 10 s × 3 and 60 s of DNS: users have moved after about 90 s (facts §5.4).
  request_interval  = 10
  failure_threshold = 3
}

resource "aws_route53_record" "primary" {
  provider = aws.primary
  count    = var.traffic == null ? 0 : 1

  zone_id         = var.traffic.zone_id
  name            = var.traffic.name
  type            = "A"
  set_identifier  = local.primary
  health_check_id = aws_route53_health_check.marker[0].id

  failover_routing_policy {
    type = "PRIMARY"
  }

  alias {
    name    = var.traffic.primary.dns_name
    zone_id = var.traffic.primary.zone_id
    # Only the marker moves users: a load balancer in trouble must not, while the other side's database takes no writes.
    evaluate_target_health = false
  }
}

# Without a check it is always well, and so it is answered as soon as the primary's check says no (facts §5.4: with an
# unhealthy one here the primary would be answered all the same).
resource "aws_route53_record" "standby" {
  provider = aws.primary
  count    = var.traffic == null ? 0 : 1

  zone_id        = var.traffic.zone_id
  name           = var.traffic.name
  type           = "A"
  set_identifier = local.standby

  failover_routing_policy {
    type = "SECONDARY"
  }

  alias {
    name                   = var.traffic.standby.dns_name
    zone_id                = var.traffic.standby.zone_id
    evaluate_target_health = false
  }
}
