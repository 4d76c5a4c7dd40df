# One key in three regions, so that what is encrypted in one can be read while another one is lost. It encrypts the
# queues, the functions' variables, the shipped log and the by-hand pages; never the lease, which must depend on S3
# alone.

locals {
  # Spelled out: an administrator of keys neither encrypts nor decrypts with them.
  administration = [
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey", "kms:EnableKey",
    "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListGrants",
    "kms:ListKeyPolicies", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ReplicateKey", "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
    "kms:UpdatePrimaryRegion",
  ]

  key_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TheAccountAdministers"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${local.account}:root" }
        Action    = local.administration
        Resource  = "*"
      },
      {
        Sid       = "MusterUses"
        Effect    = "Allow"
        Principal = { AWS = [for role in ["operate", "on-event", "watchdog"] : local.role_arns[role]] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringLike = { "kms:ViaService" = ["lambda.*.amazonaws.com", "s3.*.amazonaws.com", "sqs.*.amazonaws.com"] } }
      },
      {
        # Lambda decrypts a function's variables with a grant that whoever deploys it makes.
        Sid       = "WhoeverDeploysGrants"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${local.account}:root" }
        Action    = ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringLike = { "kms:ViaService" = ["lambda.*.amazonaws.com", "s3.*.amazonaws.com", "sqs.*.amazonaws.com"] } }
      },
      {
        Sid       = "RulesKeepWhatFailed"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
    ]
  })
}

resource "aws_kms_key" "muster" {
  provider                = aws.primary
  description             = "Muster"
  multi_region            = true
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = local.key_policy
  depends_on              = [aws_iam_role.this]
}

resource "aws_kms_replica_key" "standby" {
  provider                = aws.standby
  description             = "Muster"
  primary_key_arn         = aws_kms_key.muster.arn
  deletion_window_in_days = 30
  policy                  = local.key_policy
}

resource "aws_kms_replica_key" "third" {
  provider                = aws.third
  description             = "Muster"
  primary_key_arn         = aws_kms_key.muster.arn
  deletion_window_in_days = 30
  policy                  = local.key_policy
}

resource "aws_kms_alias" "primary" {
  provider      = aws.primary
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.muster.key_id
}

resource "aws_kms_alias" "standby" {
  provider      = aws.standby
  name          = "alias/${var.name}"
  target_key_id = aws_kms_replica_key.standby.key_id
}

resource "aws_kms_alias" "third" {
  provider      = aws.third
  name          = "alias/${var.name}"
  target_key_id = aws_kms_replica_key.third.key_id
}
