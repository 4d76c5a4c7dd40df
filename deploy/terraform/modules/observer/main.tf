# `muster observe` in a place of its own: what it says has a vote as long as it fails together with nobody else.
#
# A task of Fargate behind a load balancer, because the observer speaks HTTP and the daemon believes nothing but
# HTTPS beyond loopback; without a host, so that there is nothing to keep. The image holds the binary alone, so
# a second container writes the configuration and the key and ends before the observer starts.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "name" {
  description = "What everything is called."
  type        = string
}

variable "account" {
  description = "The account, twelve digits."
  type        = string
}

variable "region" {
  description = "The region of the provider that is passed."
  type        = string
}

variable "image" {
  description = "The image of Muster, in a registry of this region."
  type        = string
}

variable "image_repository_arn" {
  description = "The ECR repository that both images are pulled from; null for a registry that asks for nothing."
  type        = string
  default     = null
}

variable "writer_image" {
  description = "Any image with a shell: it writes the configuration and the key where the observer reads them."
  type        = string
}

variable "architecture" {
  description = "What the images were built for: ARM64 or X86_64."
  type        = string
  default     = "ARM64"
}

variable "applications" {
  description = "What is watched (`applications` of the observer's configuration): `control` is a URL that surely answers while this place is well, and `sees` one for each region."
  type        = list(object({ name = string, control = string, sees = map(string) }))
}

variable "key_secret_arn" {
  description = "The secret that holds the file which `muster observe --make-key` wrote."
  type        = string
}

variable "key_secret_key_arn" {
  description = "The key of KMS that encrypts that secret; null for AWS's own."
  type        = string
  default     = null
}

variable "vpc_id" {
  description = "The network, in this region."
  type        = string
}

variable "task_subnets" {
  description = "Where the task runs: with a way out to what it watches."
  type        = list(string)
}

variable "balancer_subnets" {
  description = "Where it is asked: two or more, in different zones."
  type        = list(string)
}

variable "certificate_arn" {
  description = "The certificate of the name that the daemon asks."
  type        = string
}

variable "asked_from" {
  description = "The daemon's addresses, as CIDRs."
  type        = list(string)
}

variable "alarms" {
  description = "Whether CloudWatch alarms are made."
  type        = bool
}

variable "alarm_actions" {
  description = "ARNs that are told when it does not answer."
  type        = list(string)
}

locals {
  port   = 8080
  folder = "/observer"
  # JSON is YAML.
  configuration = jsonencode({
    name         = var.name
    listen       = "0.0.0.0:${local.port}"
    key          = "observer.key"
    applications = var.applications
  })
  # The distribution's user without a name. The key's file must be its owner's alone.
  user = "65532"
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/muster/${var.name}"
  retention_in_days = 30
}

resource "aws_iam_role" "starts" {
  name = "${var.name}-starts"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TasksOnly"
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

# It starts the task; the task itself has no role, because an observer asks AWS for nothing.
resource "aws_iam_role_policy" "starts" {
  name = "start"
  role = aws_iam_role.starts.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "ReadTheKey"
          Effect   = "Allow"
          Action   = ["secretsmanager:GetSecretValue"]
          Resource = [var.key_secret_arn]
        },
        {
          Sid      = "WriteTheLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["arn:aws:logs:${var.region}:${var.account}:log-group:/muster/${var.name}:*"]
        },
      ],
      var.key_secret_key_arn == null ? [] : [{
        Sid      = "OpenTheKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.key_secret_key_arn]
      }],
      var.image_repository_arn == null ? [] : [
        {
          Sid      = "PullTheImage"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Resource = [var.image_repository_arn]
        },
        {
          Sid      = "LogInToTheRegistry"
          Effect   = "Allow"
          Action   = ["ecr:GetAuthorizationToken"]
          Resource = ["*"]
        },
      ],
    )
  })
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = "256"
  memory                   = "512"
  execution_role_arn       = aws_iam_role.starts.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  volume {
    name = "observer"
  }

  container_definitions = jsonencode([
    {
      name      = "writer"
      image     = var.writer_image
      essential = false
      # It makes files for another user.
      user    = "0"
      command = ["sh", "-c", "umask 077 && cd ${local.folder} && printf %s \"$CONFIGURATION\" >observe.yaml && printf %s \"$KEY\" >observer.key && chown -R ${local.user} ."]
      environment = [
        { name = "CONFIGURATION", value = local.configuration },
      ]
      secrets     = [{ name = "KEY", valueFrom = var.key_secret_arn }]
      mountPoints = [{ sourceVolume = "observer", containerPath = local.folder, readOnly = false }]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = aws_cloudwatch_log_group.this.name
          "awslogs-region"        = var.region
          "awslogs-stream-prefix" = "writer"
        }
      }
    },
    {
      name                   = "observer"
      image                  = var.image
      essential              = true
      user                   = local.user
      readonlyRootFilesystem = true
      command                = ["observe", "--config", "${local.folder}/observe.yaml"]
      dependsOn              = [{ containerName = "writer", condition = "SUCCESS" }]
      portMappings           = [{ containerPort = local.port, hostPort = local.port, protocol = "tcp" }]
      mountPoints            = [{ sourceVolume = "observer", containerPath = local.folder, readOnly = true }]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = aws_cloudwatch_log_group.this.name
          "awslogs-region"        = var.region
          "awslogs-stream-prefix" = "observer"
        }
      }
    },
  ])
}

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "Who asks the observer."
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "task" {
  name        = "${var.name}-task"
  description = "The observer."
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "asked" {
  for_each          = toset(var.asked_from)
  security_group_id = aws_security_group.balancer.id
  description       = "The daemon asks."
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "asks" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "To the observer."
  referenced_security_group_id = aws_security_group.task.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  security_group_id            = aws_security_group.task.id
  description                  = "From the balancer."
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_vpc_security_group_egress_rule" "sees" {
  security_group_id = aws_security_group.task.id
  description       = "What it watches, its key and its image."
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_lb" "this" {
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = var.balancer_subnets
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
}

resource "aws_lb_target_group" "this" {
  name        = var.name
  port        = local.port
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = var.vpc_id

  health_check {
    path                = "/health/live"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this.arn
  launch_type     = "FARGATE"
  desired_count   = 1
  # Two for the moment of a change rather than none.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  network_configuration {
    subnets          = var.task_subnets
    security_groups  = [aws_security_group.task.id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "observer"
    container_port   = local.port
  }

  depends_on = [aws_lb_listener.this]
}

resource "aws_cloudwatch_metric_alarm" "silent" {
  count               = var.alarms ? 1 : 0
  alarm_name          = "${var.name}-silent"
  alarm_description   = "The observer does not answer: the quorum has one voice less."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HealthyHostCount"
  dimensions          = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.this.arn_suffix }
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
}

output "balancer_name" {
  description = "Where the name that the daemon asks must point."
  value       = aws_lb.this.dns_name
}
