# It looks every minute from where the daemon's own trouble does not reach, and tells through a second channel.

resource "aws_cloudwatch_log_group" "watchdog" {
  provider          = aws.third
  name              = "/aws/lambda/${var.name}-watchdog"
  retention_in_days = 30
}

resource "aws_lambda_function" "watchdog" {
  provider      = aws.third
  function_name = "${var.name}-watchdog"
  description   = "Tells when Muster does not act, or protects nothing."
  role          = aws_iam_role.this["watchdog"].arn

  filename         = var.watchdog_zip
  source_code_hash = filebase64sha256(var.watchdog_zip)
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  memory_size      = 128
  timeout          = 50

  # One look at a time: it is over before the next one.
  reserved_concurrent_executions = 1
  kms_key_arn                    = aws_kms_replica_key.third.arn

  environment {
    variables = var.watchdog_environment
  }

  depends_on = [aws_cloudwatch_log_group.watchdog, aws_iam_role_policy_attachment.this]
}

# A look that failed is no use a minute later: there is another one then.
resource "aws_lambda_function_event_invoke_config" "watchdog" {
  provider                     = aws.third
  function_name                = aws_lambda_function.watchdog.function_name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

resource "aws_cloudwatch_event_rule" "watchdog" {
  provider            = aws.third
  name                = "${var.name}-watchdog"
  description         = "The watchdog looks."
  schedule_expression = "rate(1 minute)"
}

resource "aws_cloudwatch_event_target" "watchdog" {
  provider  = aws.third
  rule      = aws_cloudwatch_event_rule.watchdog.name
  target_id = "watchdog"
  arn       = aws_lambda_function.watchdog.arn

  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 0
  }
}

resource "aws_lambda_permission" "watchdog" {
  provider       = aws.third
  statement_id   = "every-minute"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.watchdog.function_name
  principal      = "events.amazonaws.com"
  source_account = local.account
  source_arn     = aws_cloudwatch_event_rule.watchdog.arn
}
