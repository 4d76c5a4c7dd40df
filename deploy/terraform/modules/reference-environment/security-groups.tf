# Security Groups. What is not said here goes nowhere.

resource "aws_security_group" "balancer" {
  name        = "${local.full}-alb"
  description = "The load balancer."
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each          = { http = 80, https = 443 }
  security_group_id = aws_security_group.balancer.id
  description       = "Users, ${each.key}."
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "To the nodes."
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "-1"
}

resource "aws_security_group" "nodes" {
  name        = "${local.full}-nodes"
  description = "The nodes and the pods on them."
  vpc_id      = aws_vpc.this.id
}

# 443 says the guide; the pods that the target group reaches by itself listen on 8000.
resource "aws_vpc_security_group_ingress_rule" "nodes" {
  for_each                     = { https = 443, application = 8000 }
  security_group_id            = aws_security_group.nodes.id
  description                  = "From the load balancer, ${each.key}."
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_vpc_security_group_ingress_rule" "between_nodes" {
  security_group_id            = aws_security_group.nodes.id
  description                  = "Node to node."
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_ingress_rule" "control_plane" {
  for_each                     = { https = 443, webhooks = 9443, kubelet = 10250 }
  security_group_id            = aws_security_group.nodes.id
  description                  = "From the control plane, ${each.key}."
  referenced_security_group_id = aws_security_group.control_plane.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_vpc_security_group_egress_rule" "nodes" {
  security_group_id = aws_security_group.nodes.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_security_group" "control_plane" {
  name        = "${local.full}-control-plane"
  description = "The Kubernetes API."
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  security_group_id            = aws_security_group.control_plane.id
  description                  = "From the nodes."
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "control_plane" {
  for_each                     = { https = 443, webhooks = 9443, kubelet = 10250 }
  security_group_id            = aws_security_group.control_plane.id
  description                  = "To the nodes, ${each.key}."
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_security_group" "database" {
  name        = "${local.full}-database"
  description = "Aurora."
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  description                  = "From the nodes only."
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_security_group" "cache" {
  name        = "${local.full}-cache"
  description = "Redis."
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "cache" {
  security_group_id            = aws_security_group.cache.id
  description                  = "From the nodes only."
  referenced_security_group_id = aws_security_group.nodes.id
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}
