# What Muster needs of AWS, in three regions: the two of the applications, and a third one that fails together with
# neither, where the lease, the shipped log, the watchdog and, best of all, the daemon itself live (facts §5.5).

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      version               = "~> 5.100"
      configuration_aliases = [aws.primary, aws.standby, aws.third]
    }
  }
}
