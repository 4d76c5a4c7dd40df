resource "aws_cloudwatch_log_group" "on_event" {
  name              = "/aws/lambda/${var.name}-on-event"
  retention_in_days = 30
}

resource "aws_lambda_function" "on_event" {
  function_name = "${var.name}-on-event"
  description   = "Translates what AWS tells into messages for Muster, and does nothing else."
  role          = var.role_arn

  filename         = var.zip
  source_code_hash = filebase64sha256(var.zip)
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  memory_size      = 128
  # A dead region costs 6 s before it is given up (`lambdas/src/deliver.rs`).
  timeout = 15

  reserved_concurrent_executions = var.concurrency
  kms_key_arn                    = var.key_arn

  environment {
    variables = var.environment
  }

  depends_on = [aws_cloudwatch_log_group.on_event]
}

resource "aws_lambda_function_event_invoke_config" "on_event" {
  function_name = aws_lambda_function.on_event.function_name
  # The most that Lambda keeps an event for, and tries.
  maximum_event_age_in_seconds = 21600
  maximum_retry_attempts       = 2

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }
}

# S3 tells of replication to functions, queues and topics, and not to EventBridge (facts §4).
resource "aws_lambda_permission" "bucket" {
  for_each       = var.replicated_buckets
  statement_id   = "bucket-${each.value}"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.on_event.function_name
  principal      = "s3.amazonaws.com"
  source_account = var.account
  source_arn     = "arn:aws:s3:::${each.value}"
}

resource "aws_s3_bucket_notification" "replication" {
  for_each = var.replicated_buckets
  bucket   = each.value

  lambda_function {
    id                  = "${var.name}-replication"
    lambda_function_arn = aws_lambda_function.on_event.arn
    events = [
      "s3:Replication:OperationFailedReplication",
      "s3:Replication:OperationMissedThreshold",
      "s3:Replication:OperationNotTracked",
      "s3:Replication:OperationReplicatedAfterThreshold",
    ]
  }

  depends_on = [aws_lambda_permission.bucket]
}
