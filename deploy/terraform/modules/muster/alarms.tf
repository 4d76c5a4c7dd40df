# What tells that Muster itself is in trouble, in the third region. The heartbeat is seen twice: by the watchdog, which
# reads it, and by S3, which counts that it is written.

resource "aws_s3_bucket_metric" "heartbeat" {
  provider = aws.third
  count    = var.heartbeat_metric && var.alarms ? 1 : 0
  bucket   = module.lease.name
  name     = "heartbeat"

  filter {
    prefix = "lease.heartbeat"
  }
}

locals {
  alarms = merge(!(var.heartbeat_metric && var.alarms) ? {} : {
    heartbeat = {
      says       = "Nobody writes the heartbeat: no daemon acts, or it cannot reach the lease."
      namespace  = "AWS/S3"
      metric     = "PutRequests"
      dimensions = { BucketName = module.lease.name, FilterId = aws_s3_bucket_metric.heartbeat[0].name }
      # One in 30 s (`daemon/src/heartbeat.rs`).
      compare   = "LessThanThreshold"
      threshold = 1
      periods   = 3
      missing   = "breaching"
    }
    }, {
    watchdog-silent = {
      says       = "The watchdog does not look: nobody would tell."
      namespace  = "AWS/Lambda"
      metric     = "Invocations"
      dimensions = { FunctionName = aws_lambda_function.watchdog.function_name }
      compare    = "LessThanThreshold"
      threshold  = 1
      periods    = 3
      missing    = "breaching"
    }
    watchdog-errors = {
      says       = "The watchdog looks and fails: look at its log."
      namespace  = "AWS/Lambda"
      metric     = "Errors"
      dimensions = { FunctionName = aws_lambda_function.watchdog.function_name }
      compare    = "GreaterThanThreshold"
      threshold  = 0
      periods    = 2
      missing    = "notBreaching"
    }
  })
}

resource "aws_cloudwatch_metric_alarm" "this" {
  provider            = aws.third
  for_each            = { for name, one in local.alarms : name => one if var.alarms }
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.says
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.compare
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = var.alarm_actions.third
  ok_actions          = var.alarm_actions.third
}
