# What the tests apply, look at again and take away, against an AWS that is emulated. It is found by
# `AWS_ENDPOINT_URL`, as any other is, so nothing here speaks of it.
#
# Both modules with what the emulator keeps. What it forgets as soon as it was told is left out by switches that both
# modules have for other reasons: alarms, the observer, the Kubernetes cluster, the cache and flow logs. Those are
# validated and planned by the other example.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

provider "aws" {
  alias  = "primary"
  region = "us-east-1"
}

provider "aws" {
  alias  = "standby"
  region = "us-west-2"
}

provider "aws" {
  alias  = "third"
  region = "eu-central-1"
}

variable "zip" {
  description = "Both functions, a path."
  type        = string
}

variable "engine_version" {
  description = "A version of Aurora PostgreSQL that the emulator knows."
  type        = string
}

variable "database_password" {
  description = "The database's master user's; never in the state."
  type        = string
  ephemeral   = true
}

data "aws_caller_identity" "this" {
  provider = aws.third
}

locals {
  operators    = "arn:aws:iam::${data.aws_caller_identity.this.account_id}:role/operators"
  certificates = { for region in ["us-east-1", "us-west-2"] : region => "arn:aws:acm:${region}:${data.aws_caller_identity.this.account_id}:certificate/test" }
}

resource "aws_route53_zone" "this" {
  provider = aws.primary
  name     = "covetpy.example"
}

resource "aws_rds_global_cluster" "covetpy" {
  provider                  = aws.primary
  global_cluster_identifier = "covetpy"
  engine                    = "aurora-postgresql"
  engine_version            = var.engine_version
  storage_encrypted         = true
  deletion_protection       = false

  lifecycle {
    ignore_changes = [engine_version]
  }
}

module "home" {
  source    = "../../modules/reference-environment"
  providers = { aws = aws.primary }

  is_home             = true
  availability_zones  = ["us-east-1a", "us-east-1b", "us-east-1c"]
  api_allowed_from    = ["192.0.2.0/24"]
  engine_version      = var.engine_version
  global_cluster      = aws_rds_global_cluster.covetpy.id
  database_password   = var.database_password
  certificate_arn     = local.certificates["us-east-1"]
  zone_id             = aws_route53_zone.this.zone_id
  domain              = "app.covetpy.example"
  replica             = module.standby.replica
  deletion_protection = false

  cache                        = false
  database_logs                = []
  flow_logs                    = false
  kubernetes                   = false
  performance_insights_own_key = false
}

module "standby" {
  source    = "../../modules/reference-environment"
  providers = { aws = aws.standby }

  is_home             = false
  availability_zones  = ["us-west-2a", "us-west-2b", "us-west-2c"]
  vpc_cidr            = "10.1.0.0/16"
  api_allowed_from    = ["192.0.2.0/24"]
  engine_version      = var.engine_version
  global_cluster      = module.home.global_cluster
  certificate_arn     = local.certificates["us-west-2"]
  zone_id             = aws_route53_zone.this.zone_id
  domain              = "app.covetpy.example"
  replica             = module.home.replica
  deletion_protection = false

  cache                        = false
  database_logs                = []
  flow_logs                    = false
  kubernetes                   = false
  performance_insights_own_key = false
}

module "muster" {
  source = "../../modules/muster"
  providers = {
    aws.primary = aws.primary
    aws.standby = aws.standby
    aws.third   = aws.third
  }

  bucket_prefix = "covetpy"
  trusted = {
    operate = { services = ["ec2.amazonaws.com"] }
    expiry  = { aws = [local.operators] }
    drill   = { aws = [local.operators] }
    look    = { aws = [local.operators] }
  }
  operate_also = ["expiry", "drill"]
  by_hand      = [local.operators]
  protected = {
    clusters           = ["covetpy-*"]
    global_clusters    = ["covetpy"]
    replication_groups = ["covet-redis"]
    buckets            = [module.home.buckets.backups, module.standby.buckets.backups]
    exports            = [module.home.buckets.backups, module.standby.buckets.backups]
    sql_secrets        = ["covetpy/muster-*"]
    secrets            = ["covetpy/*"]
    keys               = concat(values(module.home.key_arns), values(module.standby.key_arns))
    zones              = [aws_route53_zone.this.zone_id]
  }
  write_lease = { bucket = "covetpy-write-lease", key = "writer" }
  vault_roles = ["arn:aws:iam::999988887777:role/muster-vault", "arn:aws:iam::999988887777:role/muster-vault-expiry"]

  on_event_zip         = var.zip
  watchdog_zip         = var.zip
  watchdog_environment = { MUSTER_WATCHDOG = "test" }
  alarms               = false
  alarm_actions        = { primary = [], standby = [], third = [] }
  alarm_name_prefixes  = ["covetpy-"]
  pipelines            = ["covetpy"]
  deployments          = ["covetpy"]
  log_lock             = { mode = "GOVERNANCE", days = 1 }
  replicated_buckets = {
    primary = [module.home.buckets.backups]
    standby = [module.standby.buckets.backups]
  }
  schedules = {
    muster-data-check = {
      expression  = "cron(0 6 * * ? *)"
      runbook     = "data-check"
      application = "covetpy"
      reason      = "what is in the database, each morning"
      max_age     = "6h"
    }
  }
  traffic = {
    zone_id = aws_route53_zone.this.zone_id
    name    = "app.covetpy.example"
    primary = module.home.balancer
    standby = module.standby.balancer
  }
}

output "permissions" {
  description = "What each role allows."
  value       = module.muster.permissions
}

output "daemon" {
  description = "What the daemon's configuration says of it."
  value       = module.muster.daemon
}
