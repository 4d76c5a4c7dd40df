# AWS Secrets Manager. Made and replicated here; what is in them is nobody's but who puts it there.

locals {
  # Rotation: what a function does and what people do.
  rotation = { jwt = { days = 30, by = "function" }, database = { days = 90, by = "people" } }
}

resource "aws_secretsmanager_secret" "this" {
  for_each                = var.is_home ? toset(var.secret_names) : []
  name                    = "${var.name}/${each.value}"
  kms_key_id              = aws_kms_key.this["storage"].arn
  recovery_window_in_days = var.deletion_protection ? 30 : 0

  tags = {
    rotation = "every ${try(local.rotation[each.value].days, 90)} days, by ${try(local.rotation[each.value].by, "people")}"
  }

  # The standby needs them before its pods start.
  dynamic "replica" {
    for_each = var.secret_replica_region == null ? [] : [var.secret_replica_region]
    content {
      region = replica.value
    }
  }
}

resource "aws_secretsmanager_secret_rotation" "this" {
  for_each            = var.is_home ? var.secret_rotation : {}
  secret_id           = aws_secretsmanager_secret.this[each.key].id
  rotation_lambda_arn = each.value
  # It is first rotated when it is due, and not by an apply.
  rotate_immediately = false

  rotation_rules {
    automatically_after_days = local.rotation[each.key].days
  }
}
