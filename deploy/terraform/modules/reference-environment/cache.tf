# Redis (Amazon ElastiCache): three nodes of cache.r6g.large, one of which writes.

locals {
  cache = "${var.brand}-redis"
}

resource "aws_elasticache_subnet_group" "this" {
  count      = var.cache ? 1 : 0
  name       = "${local.full}-cache"
  subnet_ids = [for zone in var.availability_zones : aws_subnet.database[zone].id]
}

resource "aws_elasticache_replication_group" "this" {
  count                = var.cache ? 1 : 0
  replication_group_id = local.cache
  description          = "Sessions and cached answers"
  engine               = "redis"
  engine_version       = "7.0"
  node_type            = "cache.r6g.large"
  num_cache_clusters   = 3
  port                 = 6379

  automatic_failover_enabled = true
  multi_az_enabled           = true

  auth_token                 = var.cache_token
  transit_encryption_enabled = true
  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.this["storage"].arn

  snapshot_window          = "02:00-03:00"
  maintenance_window       = var.maintenance_window
  snapshot_retention_limit = 14

  subnet_group_name  = aws_elasticache_subnet_group.this[0].name
  security_group_ids = [aws_security_group.cache.id]
  # Changed in the maintenance window, and never by the way.
  apply_immediately          = false
  auto_minor_version_upgrade = false

  lifecycle {
    precondition {
      condition     = var.cache_token != null
      error_message = "The cache needs `cache_token`."
    }
  }
}
