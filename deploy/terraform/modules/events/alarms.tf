# Each fits one question of the night. Missing data of a queue is no sign of health, but of a queue that nobody
# used for hours; the watchdog tells when everything is silent.

locals {
  alarms = {
    queue-age = {
      says       = "Nobody takes messages from the queue: does the daemon run, and may it read?"
      namespace  = "AWS/SQS"
      metric     = "ApproximateAgeOfOldestMessage"
      dimensions = { QueueName = aws_sqs_queue.requests.name }
      statistic  = "Maximum"
      # Longer than a message stays away that cannot be taken now (`NOT_NOW_SECS`).
      threshold = 600
      periods   = 2
    }
    dead-letters = {
      says       = "Something could not be delivered or taken: look at the dead letters."
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = aws_sqs_queue.dead_letters.name }
      statistic  = "Maximum"
      threshold  = 0
      periods    = 1
    }
    on-event-errors = {
      says       = "Events are not translated: look at the function's log."
      namespace  = "AWS/Lambda"
      metric     = "Errors"
      dimensions = { FunctionName = aws_lambda_function.on_event.function_name }
      statistic  = "Sum"
      threshold  = 0
      periods    = 1
    }
    on-event-throttles = {
      says       = "More events come than the function may take at a time."
      namespace  = "AWS/Lambda"
      metric     = "Throttles"
      dimensions = { FunctionName = aws_lambda_function.on_event.function_name }
      statistic  = "Sum"
      threshold  = 0
      periods    = 5
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = { for name, one in local.alarms : name => one if var.alarms }
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.says
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
}
