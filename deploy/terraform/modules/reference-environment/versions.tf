# CovetPy's environment in one region, with the figures of its architecture guide; two of these are the two sides.
# Section names in comments are the guide's.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

data "aws_caller_identity" "this" {}

data "aws_region" "this" {}

locals {
  account = data.aws_caller_identity.this.account_id
  region  = data.aws_region.this.name
  # What is called alike in both regions bears the region; so do roles, which are the whole account's.
  full = "${var.name}-${local.region}"
}
