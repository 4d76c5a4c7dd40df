# A bucket of Muster's own: versioned, encrypted, reached over TLS only, and closed to everybody outside the
# account unless it holds a marker that the whole world may read.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "name" {
  description = "The bucket's name."
  type        = string
}

variable "key_arn" {
  description = "The key that encrypts it. Without one S3 encrypts with its own, and reading depends on one service less."
  type        = string
  default     = null
}

variable "lock" {
  description = "For how many days nobody may delete what was written, and how strictly: GOVERNANCE or COMPLIANCE."
  type        = object({ mode = string, days = number })
  default     = null

  validation {
    condition     = var.lock == null ? true : contains(["GOVERNANCE", "COMPLIANCE"], var.lock.mode) && var.lock.days >= 1
    error_message = "`mode` is GOVERNANCE or COMPLIANCE, and `days` at least 1."
  }
}

variable "writers" {
  description = "Who alone may write or delete, as ARNs of roles. Empty: whoever has the right to."
  type        = list(string)
  default     = []
}

variable "never_replicated" {
  description = "Whether replication is denied to everybody: a lease that is replicated is two."
  type        = bool
  default     = false
}

variable "public_key" {
  description = "The one object that anybody may read, such as the marker that Route 53 asks for."
  type        = string
  default     = null
}

locals {
  arn = "arn:aws:s3:::${var.name}"

  statements = concat(
    [{
      Sid       = "OverTlsOnly"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = ["s3:*"]
      Resource  = [local.arn, "${local.arn}/*"]
      Condition = jsonencode({ Bool = { "aws:SecureTransport" = "false" } })
    }],
    [for writers in [var.writers] : {
      Sid       = "NobodyElseWrites"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObject"]
      Resource  = ["${local.arn}/*"]
      Condition = jsonencode({ ArnNotEquals = { "aws:PrincipalArn" = writers } })
    } if length(writers) > 0],
    [for never in [var.never_replicated] : {
      Sid       = "NeverReplicated"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = ["s3:PutReplicationConfiguration"]
      Resource  = [local.arn]
      Condition = jsonencode({})
    } if never],
    [for key in [var.public_key] : {
      Sid       = "AnybodySeesTheMarker"
      Effect    = "Allow"
      Principal = { AWS = "*" }
      Action    = ["s3:GetObject"]
      Resource  = ["${local.arn}/${key}"]
      Condition = jsonencode({})
    } if key != null],
  )
}

resource "aws_s3_bucket" "this" {
  bucket              = var.name
  object_lock_enabled = var.lock != null
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    bucket_key_enabled = var.key_arn != null
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  ignore_public_acls      = true
  block_public_policy     = var.public_key == null
  restrict_public_buckets = var.public_key == null
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for one in local.statements : merge(
      { for key, value in one : key => value if key != "Condition" },
      one.Condition == "{}" ? {} : { Condition = jsondecode(one.Condition) },
    )]
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_object_lock_configuration" "this" {
  count  = var.lock == null ? 0 : 1
  bucket = aws_s3_bucket.this.id
  rule {
    default_retention {
      mode = var.lock.mode
      days = var.lock.days
    }
  }
  depends_on = [aws_s3_bucket_versioning.this]
}

output "name" {
  description = "Its name, once it is versioned and closed."
  value       = aws_s3_bucket.this.id
  depends_on  = [aws_s3_bucket_versioning.this, aws_s3_bucket_policy.this]
}

output "arn" {
  description = "Its ARN."
  value       = aws_s3_bucket.this.arn
}

output "host" {
  description = "Where it answers over HTTPS."
  value       = aws_s3_bucket.this.bucket_regional_domain_name
}
