# The daemon reads the queue of both regions: the event of a dying one arrives through the other (facts §9).

locals {
  queue_arn       = "arn:aws:sqs:${var.region}:${var.account}:${var.name}"
  dead_letter_arn = "arn:aws:sqs:${var.region}:${var.account}:${var.name}-dead-letters"

  over_tls_only = { for name, arn in { queue = local.queue_arn, dead = local.dead_letter_arn } : name => {
    Sid       = "OverTlsOnly"
    Effect    = "Deny"
    Principal = { AWS = "*" }
    Action    = ["sqs:*"]
    Resource  = [arn]
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  } }
}

resource "aws_sqs_queue" "requests" {
  name              = var.name
  kms_master_key_id = var.key_arn
  # What the daemon asks with (`daemon/src/queue/source.rs`): it waits 20 s, and holds what it works on for 60 s.
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 60
  # The longest that SQS keeps anything. Messages say by themselves until when they may be acted on.
  message_retention_seconds = 1209600
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  kms_master_key_id         = var.key_arn
  message_retention_seconds = 1209600
}

resource "aws_sqs_queue_redrive_policy" "requests" {
  queue_url = aws_sqs_queue.requests.id
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    # A request may wait a day while Muster is switched off, five minutes at a time (`daemon/src/queue.rs`).
    maxReceiveCount = 100
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.requests.arn]
  })
}

# What a message says about its account anybody may say who may send, so only the function may.
resource "aws_sqs_queue_policy" "requests" {
  queue_url = aws_sqs_queue.requests.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.over_tls_only.queue,
      {
        Sid       = "TheFunctionAsks"
        Effect    = "Allow"
        Principal = { AWS = var.role_arn }
        Action    = ["sqs:SendMessage"]
        Resource  = [local.queue_arn]
      },
      {
        Sid       = "NobodyElseAsks"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = ["sqs:SendMessage"]
        Resource  = [local.queue_arn]
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = [var.role_arn] } }
      },
    ]
  })
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.over_tls_only.dead,
      {
        Sid       = "TheFunctionKeepsWhatFailed"
        Effect    = "Allow"
        Principal = { AWS = var.role_arn }
        Action    = ["sqs:SendMessage"]
        Resource  = [local.dead_letter_arn]
      },
      {
        Sid       = "TheRulesKeepWhatFailed"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = ["sqs:SendMessage"]
        Resource  = [local.dead_letter_arn]
        Condition = { ArnEquals = { "aws:SourceArn" = local.rule_arns } }
      },
      {
        Sid       = "NobodyElseKeepsAnything"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = ["sqs:SendMessage"]
        Resource  = [local.dead_letter_arn]
        Condition = {
          ArnNotEquals = { "aws:PrincipalArn" = [var.role_arn] }
          Bool         = { "aws:PrincipalIsAWSService" = "false" }
        }
      },
    ]
  })
}
