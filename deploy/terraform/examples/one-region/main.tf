# CovetPy's environment in one region, from nothing: what the build `infrastructure` of `environment-rebuild` applies. It asks
# nothing of any other region, because that one may be what was lost; its state is its own, and lies in this region.

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
  region = var.region
  default_tags { tags = { application = "covetpy" } }
}

module "environment" {
  source = "../../modules/reference-environment"

  is_home               = var.is_home
  availability_zones    = var.availability_zones
  vpc_cidr              = var.vpc_cidr
  api_allowed_from      = var.operators
  engine_version        = var.engine_version
  global_cluster        = "covetpy"
  databases             = var.databases
  database_password     = var.database_password
  cache_token           = var.cache_token
  certificate_arn       = var.certificate_arn
  zone_id               = var.zone_id
  domain                = var.domain
  replica               = var.replica
  secret_names          = var.secret_names
  secret_replica_region = var.secret_replica_region
  # A side that carries everything does not wait for nodes that are still to be launched.
  nodes_desired = var.nodes_desired
}
