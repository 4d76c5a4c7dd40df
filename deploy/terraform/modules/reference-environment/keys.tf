# Data at Rest: one key for each kind of thing, so that the loss or the lock of one is not that of all. Copies of
# snapshots are made under the key of the region that they go to, so each side has its own.

locals {
  root = "arn:aws:iam::${local.account}:root"

  # Spelled out, so that nothing is allowed that nobody meant.
  administration = [
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey", "kms:EnableKey",
    "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListGrants",
    "kms:ListKeyPolicies", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:ScheduleKeyDeletion",
    "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
  ]
  use = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"]

  keys = {
    database = { says = "Aurora, its snapshots and their copies", services = ["rds"] }
    cluster  = { says = "Secrets and volumes of Kubernetes", services = ["ec2", "eks"] }
    storage  = { says = "Backups, the cache, secrets and logs", services = ["elasticache", "s3", "secretsmanager"] }
  }

  # Volumes are opened by the service that starts nodes; logs are written by CloudWatch.
  used_by_services = {
    cluster = [{
      Sid       = "NodesOpenTheirVolumes"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${local.account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling" }
      Action    = local.use
      Resource  = "*"
      Condition = jsonencode({})
    }]
    storage = [{
      Sid       = "LogsAreWritten"
      Effect    = "Allow"
      Principal = { Service = "logs.${local.region}.amazonaws.com" }
      Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
      Resource  = "*"
      Condition = jsonencode({ ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:${local.region}:${local.account}:log-group:/${local.full}/*" } })
    }]
    database = []
  }
}

resource "aws_kms_key" "this" {
  for_each                = local.keys
  description             = "${local.full}: ${each.value.says}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "TheAccountAdministers"
          Effect    = "Allow"
          Principal = { AWS = local.root }
          Action    = local.administration
          Resource  = "*"
        },
        {
          # Whoever a role allows it, and by way of the service that keeps the data.
          Sid       = "TheAccountUses"
          Effect    = "Allow"
          Principal = { AWS = local.root }
          Action    = local.use
          Resource  = "*"
          Condition = { StringEquals = { "kms:ViaService" = [for service in each.value.services : "${service}.${local.region}.amazonaws.com"] } }
        },
        {
          # Muster looks whether a key is there before it copies; it does so itself.
          Sid       = "TheAccountLooks"
          Effect    = "Allow"
          Principal = { AWS = local.root }
          Action    = ["kms:DescribeKey"]
          Resource  = "*"
        },
      ],
      [for one in local.used_by_services[each.key] : merge(
        { for key, value in one : key => value if key != "Condition" },
        one.Condition == "{}" ? {} : { Condition = jsondecode(one.Condition) },
      )],
    )
  })
}

resource "aws_kms_alias" "this" {
  for_each      = local.keys
  name          = "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}
