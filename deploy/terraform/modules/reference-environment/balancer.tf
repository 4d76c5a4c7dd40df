# Application Load Balancer and its target group. Pods come into the group by the controller's TargetGroupBinding.

resource "aws_lb" "this" {
  name                       = local.full
  load_balancer_type         = "application"
  internal                   = false
  ip_address_type            = "ipv4"
  subnets                    = [for zone in var.availability_zones : aws_subnet.public[zone].id]
  security_groups            = [aws_security_group.balancer.id]
  enable_deletion_protection = var.deletion_protection
  drop_invalid_header_fields = true
  # WebSockets are closed after 3600 s (Ingress Configuration).
  idle_timeout = 3600

  access_logs {
    enabled = true
    bucket  = aws_s3_bucket.this["logs"].id
  }

  depends_on = [aws_s3_bucket_policy.this]
}

resource "aws_lb_target_group" "this" {
  name        = local.full
  port        = 8000
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = aws_vpc.this.id

  health_check {
    path                = "/health/ready"
    protocol            = "HTTP"
    port                = "8000"
    healthy_threshold   = 2
    unhealthy_threshold = 3
    timeout             = 10
    interval            = 30
  }

  # WebSockets stick to their pod (Ingress Configuration).
  stickiness {
    enabled         = true
    type            = "lb_cookie"
    cookie_duration = 3600
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  # Data in Transit: TLS 1.2 and later.
  ssl_policy      = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}

# This side's own name, past the record that a failover moves: probes and observers ask it.
resource "aws_route53_record" "side" {
  zone_id = var.zone_id
  name    = "${local.region}.${var.domain}"
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = false
  }
}
