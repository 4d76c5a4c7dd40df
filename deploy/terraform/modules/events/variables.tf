variable "name" {
  description = "What everything is called, and what names begin with."
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

variable "role_arn" {
  description = "The role that the function runs under; it alone may put messages on the queue."
  type        = string
}

variable "key_arn" {
  description = "The key, in this region, that encrypts both queues and the function's variables."
  type        = string
}

variable "zip" {
  description = "The function, a path: `bootstrap` in a zip, for `architecture`."
  type        = string
}

variable "architecture" {
  description = "What the function was built for: arm64 or x86_64."
  type        = string
}

variable "concurrency" {
  description = "How many of the function may run at a time. What waits is kept by Lambda for hours."
  type        = number
}

variable "environment" {
  description = "The function's variables: MUSTER_RULES and MUSTER_QUEUES (`lambdas/src/settings.rs`)."
  type        = map(string)
}

variable "schedules" {
  description = "Cron or rate expressions by the name of the rule."
  type        = map(string)
}

variable "alarm_name_prefixes" {
  description = "How the names of the alarms begin whose change is told. Empty: none is."
  type        = list(string)
}

variable "pipelines" {
  description = "Pipelines of CodePipeline whose start is told."
  type        = list(string)
}

variable "deployments" {
  description = "Applications of CodeDeploy whose deployments' start is told."
  type        = list(string)
}

variable "health_services" {
  description = "Services whose events of AWS Health are told."
  type        = list(string)
}

variable "replicated_buckets" {
  description = "Buckets of this region whose failed replication is told. The bucket's notifications are this module's alone."
  type        = set(string)
}

variable "alarms" {
  description = "Whether CloudWatch alarms are made."
  type        = bool
}

variable "alarm_actions" {
  description = "ARNs, such as of topics, that are told when something here goes wrong."
  type        = list(string)
}
