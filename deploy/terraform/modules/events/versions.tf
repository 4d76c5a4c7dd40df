# What comes in from AWS in one region: rules, the function that translates, the queue that the daemon reads, and
# where whatever could not be delivered is kept.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
