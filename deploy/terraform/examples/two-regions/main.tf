# CovetPy in us-east-1 with a standby in us-west-2, and Muster beside it in eu-central-1.
#
# What it makes fits `deploy/covetpy/`: `terraform output` says what stands there instead of the made-up ARNs.

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
  default_tags { tags = local.tags }
}

provider "aws" {
  alias  = "standby"
  region = "us-west-2"
  default_tags { tags = local.tags }
}

provider "aws" {
  alias  = "third"
  region = "eu-central-1"
  default_tags { tags = local.tags }
}

locals {
  tags = { application = "covetpy" }
}

# Its name is in its endpoint, so it stays. A failover makes the other member the writer, and AWS upgrades both.
resource "aws_rds_global_cluster" "covetpy" {
  provider                  = aws.primary
  global_cluster_identifier = "covetpy"
  engine                    = "aurora-postgresql"
  engine_version            = var.engine_version
  storage_encrypted         = true
  deletion_protection       = var.deletion_protection

  lifecycle {
    ignore_changes = [engine_version]
  }
}

module "home" {
  source    = "../../modules/reference-environment"
  providers = { aws = aws.primary }

  is_home                   = true
  availability_zones        = ["us-east-1a", "us-east-1b", "us-east-1c"]
  vpc_cidr                  = "10.0.0.0/16"
  api_allowed_from          = var.operators
  engine_version            = var.engine_version
  global_cluster            = aws_rds_global_cluster.covetpy.id
  database_password         = var.database_password
  database_password_version = var.database_password_version
  cache_token               = var.cache_token
  certificate_arn           = var.certificate_arns.primary
  zone_id                   = var.zone_id
  domain                    = var.domain
  replica                   = module.standby.replica
  secret_names              = ["database", "redis", "jwt", "integrations/payments", "oauth/google", "monitoring/datadog"]
  secret_replica_region     = "us-west-2"
  secret_rotation           = var.jwt_rotation_arn == null ? {} : { jwt = var.jwt_rotation_arn }
  deletion_protection       = var.deletion_protection
}

module "standby" {
  source    = "../../modules/reference-environment"
  providers = { aws = aws.standby }

  is_home             = false
  availability_zones  = ["us-west-2a", "us-west-2b", "us-west-2c"]
  vpc_cidr            = "10.1.0.0/16"
  api_allowed_from    = var.operators
  engine_version      = var.engine_version
  global_cluster      = module.home.global_cluster
  cache_token         = var.cache_token
  certificate_arn     = var.certificate_arns.standby
  zone_id             = var.zone_id
  domain              = var.domain
  replica             = module.home.replica
  deletion_protection = var.deletion_protection
}

module "muster" {
  source = "../../modules/muster"
  providers = {
    aws.primary = aws.primary
    aws.standby = aws.standby
    aws.third   = aws.third
  }

  bucket_prefix = "covetpy"

  # One daemon, on a host in eu-central-1, carries out everything that `deploy/covetpy/schedules.yaml` asks for, so its
  # role also lets recovery points go and brings some back. People look under a role of their own.
  trusted = {
    operate = { services = ["ec2.amazonaws.com"] }
    expiry  = { aws = var.operator_arns }
    drill   = { aws = var.operator_arns }
    look    = { aws = var.operator_arns }
  }
  operate_also = ["expiry", "drill"]
  by_hand      = var.operator_arns

  protected = {
    clusters           = ["covetpy-*"]
    global_clusters    = ["covetpy"]
    replication_groups = [module.home.replication_group]
    buckets            = [module.home.buckets.backups, module.standby.buckets.backups]
    exports            = [module.home.buckets.backups, module.standby.buckets.backups]
    looked_at_buckets  = var.state_buckets
    sql_secrets        = ["covetpy/muster-*"]
    secrets            = ["covetpy/*"]
    keys               = concat(values(module.home.key_arns), values(module.standby.key_arns))
    zones              = [var.zone_id]
  }

  on_event_zip         = var.on_event_zip
  watchdog_zip         = var.watchdog_zip
  watchdog_environment = var.watchdog_environment
  alarm_actions        = var.alarm_actions
  alarm_name_prefixes  = ["covetpy-"]
  pipelines            = ["covetpy"]
  deployments          = ["covetpy"]
  replicated_buckets = {
    primary = [module.home.buckets.backups]
    standby = [module.standby.buckets.backups]
  }

  # Nothing of the daemon's own schedules.
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
    zone_id = var.zone_id
    name    = var.domain
    primary = module.home.balancer
    standby = module.standby.balancer
  }

  observer = var.observer
}
