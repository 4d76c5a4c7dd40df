locals {
  rules = jsonencode(merge(
    {
      accounts = [local.account]
      regions  = local.sides
      schedules = [for name, one in var.schedules : {
        for key, value in {
          rule        = name
          runbook     = one.runbook
          application = one.application
          inputs      = one.inputs
          reason      = one.reason
          max_age     = one.max_age
        } : key => value if value != null
      }]
    },
    var.more_rules,
  ))

  on_event = {
    MUSTER_RULES  = local.rules
    MUSTER_QUEUES = jsonencode([module.events_primary.queue, module.events_standby.queue])
  }
}

module "events_primary" {
  source    = "../events"
  providers = { aws = aws.primary }

  name                = var.name
  account             = local.account
  region              = local.primary
  role_arn            = aws_iam_role.this["on-event"].arn
  key_arn             = aws_kms_key.muster.arn
  zip                 = var.on_event_zip
  architecture        = var.architecture
  concurrency         = var.on_event_concurrency
  environment         = local.on_event
  schedules           = { for name, one in var.schedules : name => one.expression }
  alarm_name_prefixes = var.alarm_name_prefixes
  pipelines           = var.pipelines
  deployments         = var.deployments
  health_services     = var.health_services
  replicated_buckets  = var.replicated_buckets.primary
  alarms              = var.alarms
  alarm_actions       = var.alarm_actions.primary
}

module "events_standby" {
  source    = "../events"
  providers = { aws = aws.standby }

  name                = var.name
  account             = local.account
  region              = local.standby
  role_arn            = aws_iam_role.this["on-event"].arn
  key_arn             = aws_kms_replica_key.standby.arn
  zip                 = var.on_event_zip
  architecture        = var.architecture
  concurrency         = var.on_event_concurrency
  environment         = local.on_event
  schedules           = { for name, one in var.schedules : name => one.expression }
  alarm_name_prefixes = var.alarm_name_prefixes
  pipelines           = var.pipelines
  deployments         = var.deployments
  health_services     = var.health_services
  replicated_buckets  = var.replicated_buckets.standby
  alarms              = var.alarms
  alarm_actions       = var.alarm_actions.standby
}
