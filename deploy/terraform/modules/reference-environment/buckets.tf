# S3 Buckets. Names are the whole world's; at home they are the guide's.

data "aws_elb_service_account" "this" {}

locals {
  suffix = var.is_home ? "" : "-${local.region}"
  buckets = {
    assets  = { name = "${var.brand}-assets-production${local.suffix}", key_arn = null }
    backups = { name = "${var.brand}-database-backups${local.suffix}", key_arn = aws_kms_key.this["storage"].arn }
    logs    = { name = "${var.brand}-alb-logs${local.suffix}", key_arn = null }
  }
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets
  bucket   = each.value.name
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = toset(["assets", "backups"])
  bucket   = aws_s3_bucket.this[each.value].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    bucket_key_enabled = each.value.key_arn != null
    apply_server_side_encryption_by_default {
      sse_algorithm     = each.value.key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = each.value.key_arn
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = local.buckets
  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets
  bucket   = aws_s3_bucket.this[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "OverTlsOnly"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = ["s3:*"]
        Resource  = ["arn:aws:s3:::${each.value.name}", "arn:aws:s3:::${each.value.name}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      each.key != "logs" ? [] : [{
        Sid       = "TheBalancerWritesItsLog"
        Effect    = "Allow"
        Principal = { AWS = data.aws_elb_service_account.this.arn }
        Action    = ["s3:PutObject"]
        Resource  = ["arn:aws:s3:::${each.value.name}/AWSLogs/${local.account}/*"]
      }],
    )
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}

# Standard, then infrequent access, then Glacier; the guide says the order, and the days are the earliest ones that
# cost less than they save.
resource "aws_s3_bucket_lifecycle_configuration" "assets" {
  bucket = aws_s3_bucket.this["assets"].id
  rule {
    id     = "cooler"
    status = "Enabled"
    filter {}
    transition {
      days          = 30
      storage_class = "STANDARD_IA"
    }
    transition {
      days          = 90
      storage_class = "GLACIER"
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
  depends_on = [aws_s3_bucket_versioning.this]
}

# What Muster's expiry hides can be brought back for 30 days; canaries go after a day (`deploy/covetpy`).
resource "aws_s3_bucket_lifecycle_configuration" "backups" {
  bucket = aws_s3_bucket.this["backups"].id
  rule {
    id     = "canaries"
    status = "Enabled"
    filter {
      prefix = "muster/canary/"
    }
    expiration {
      days = 1
    }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }
  rule {
    id     = "hidden-exports"
    status = "Enabled"
    filter {
      prefix = "muster/objects/"
    }
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  bucket = aws_s3_bucket.this["logs"].id
  rule {
    id     = "ninety-days"
    status = "Enabled"
    filter {}
    expiration {
      days = 90
    }
  }
}

# Both ways: after a failover the other side writes, and a rule that has to be made then depends on the region that
# was lost (facts §4).
resource "aws_iam_role" "replication" {
  name = "${local.full}-replication"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "S3Only"
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = ["sts:AssumeRole"]
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "replication" {
  count = var.replica == null ? 0 : 1
  name  = "replicate"
  role  = aws_iam_role.replication.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "SeeTheRules"
        Effect   = "Allow"
        Action   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
        Resource = ["arn:aws:s3:::${local.buckets.backups.name}"]
      },
      {
        Sid      = "ReadHere"
        Effect   = "Allow"
        Action   = ["s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"]
        Resource = ["arn:aws:s3:::${local.buckets.backups.name}/*"]
      },
      {
        Sid      = "WriteThere"
        Effect   = "Allow"
        Action   = ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"]
        Resource = ["${var.replica.bucket_arn}/*"]
      },
      {
        Sid       = "OpenHere"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [aws_kms_key.this["storage"].arn]
        Condition = { StringLike = { "kms:ViaService" = "s3.*.amazonaws.com" } }
      },
      {
        Sid       = "CloseThere"
        Effect    = "Allow"
        Action    = ["kms:Encrypt", "kms:GenerateDataKey"]
        Resource  = [var.replica.key_arn]
        Condition = { StringLike = { "kms:ViaService" = "s3.*.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_s3_bucket_replication_configuration" "backups" {
  count  = var.replica == null ? 0 : 1
  bucket = aws_s3_bucket.this["backups"].id
  role   = aws_iam_role.replication.arn

  rule {
    id       = "to-the-other-side"
    status   = "Enabled"
    priority = 1
    filter {}
    delete_marker_replication {
      status = "Enabled"
    }
    source_selection_criteria {
      sse_kms_encrypted_objects {
        status = "Enabled"
      }
      replica_modifications {
        status = "Enabled"
      }
    }
    destination {
      bucket        = var.replica.bucket_arn
      storage_class = "STANDARD"
      encryption_configuration {
        replica_kms_key_id = var.replica.key_arn
      }
      # Metrics exist only where they are asked for, and missing ones are unknown and not well (facts §4).
      metrics {
        status = "Enabled"
        event_threshold {
          minutes = 15
        }
      }
      replication_time {
        status = "Enabled"
        time {
          minutes = 15
        }
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this, aws_iam_role_policy.replication]
}
