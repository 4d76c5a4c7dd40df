# Every name and ARN, made from what is known before anything is: a plan shows each policy as it will be.

data "aws_caller_identity" "this" {
  provider = aws.third
}

data "aws_region" "primary" {
  provider = aws.primary
}

data "aws_region" "standby" {
  provider = aws.standby
}

data "aws_region" "third" {
  provider = aws.third
}

locals {
  account = data.aws_caller_identity.this.account_id
  primary = data.aws_region.primary.name
  standby = data.aws_region.standby.name
  third   = data.aws_region.third.name
  sides   = [local.primary, local.standby]

  buckets = {
    lease           = "${var.bucket_prefix}-muster-lease"
    log             = "${var.bucket_prefix}-muster-log"
    by_hand_primary = "${var.bucket_prefix}-by-hand-${local.primary}"
    by_hand_standby = "${var.bucket_prefix}-by-hand-${local.standby}"
    markers         = "${var.bucket_prefix}-traffic-${local.standby}"
  }
  marker = var.traffic == null ? "standby-serves" : var.traffic.marker

  queue_arns       = [for region in local.sides : "arn:aws:sqs:${region}:${local.account}:${var.name}"]
  dead_letter_arns = [for arn in local.queue_arns : "${arn}-dead-letters"]
}
