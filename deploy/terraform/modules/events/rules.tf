# Service events appear on the default bus of the region that emits them, so the same rules stand in both (facts §9).

locals {
  # A pattern with names in it is no rule where there are none.
  names = {
    health      = var.health_services
    alarms      = var.alarm_name_prefixes
    pipelines   = var.pipelines
    deployments = var.deployments
  }

  # In a file of their own, because the tests put the same rules on an emulated bus.
  all_patterns = jsondecode(templatefile("${path.module}/patterns.json.tftpl", {
    health_services = jsonencode(var.health_services)
    alarm_names     = jsonencode([for prefix in var.alarm_name_prefixes : { prefix = prefix }])
    pipelines       = jsonencode(var.pipelines)
    deployments     = jsonencode(var.deployments)
  }))
  patterns = { for name, pattern in local.all_patterns : name => pattern if length(lookup(local.names, name, ["always"])) > 0 }

  # A schedule bears its own name: the function finds it by that, and knows it in both regions as one.
  rules = merge(
    { for name, pattern in local.patterns : "${var.name}-${name}" => { pattern = jsonencode(pattern), schedule = null } },
    { for name, schedule in var.schedules : name => { pattern = null, schedule = schedule } },
  )

  rule_arns = [for name in sort(keys(local.rules)) : "arn:aws:events:${var.region}:${var.account}:rule/${name}"]
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each            = local.rules
  name                = each.key
  description         = each.value.schedule == null ? "What Muster is told of." : "What Muster is asked for, and when."
  event_pattern       = each.value.pattern
  schedule_expression = each.value.schedule
}

resource "aws_cloudwatch_event_target" "this" {
  for_each  = local.rules
  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = "on-event"
  arn       = aws_lambda_function.on_event.arn

  # Without it, what cannot be delivered vanishes (facts §9).
  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }

  retry_policy {
    # Older than that the function takes nothing (`AGE_MAX` in `lambdas/src/settings.rs`).
    maximum_event_age_in_seconds = 82800
    maximum_retry_attempts       = 185
  }

  depends_on = [aws_sqs_queue_policy.dead_letters]
}

resource "aws_lambda_permission" "rule" {
  for_each       = local.rules
  statement_id   = each.key
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.on_event.function_name
  principal      = "events.amazonaws.com"
  source_account = var.account
  source_arn     = aws_cloudwatch_event_rule.this[each.key].arn
}
