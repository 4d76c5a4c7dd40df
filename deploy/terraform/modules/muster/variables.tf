variable "name" {
  description = "What everything is called, and what names begin with."
  type        = string
  default     = "muster"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "`name` is 2 to 21 characters: letters, digits and hyphens, beginning with a letter."
  }
}

variable "bucket_prefix" {
  description = "What the names of buckets begin with, because those are the whole world's: `covetpy` makes `covetpy-muster-lease`."
  type        = string
}

variable "trusted" {
  description = "Who may take which role: `operate` the daemon, `expiry` and `drill` whoever carries out those runbooks, `look` whoever only looks. A role that is trusted by nobody is not made."
  type = map(object({
    aws      = optional(list(string), [])
    services = optional(list(string), [])
    oidc     = optional(object({ provider_arn = string, issuer = string, subject = string }))
  }))

  validation {
    condition     = alltrue([for role in keys(var.trusted) : contains(["operate", "expiry", "drill", "look"], role)])
    error_message = "The roles are operate, expiry, drill and look."
  }
  validation {
    condition     = contains(keys(var.trusted), "operate")
    error_message = "Somebody must be trusted with `operate`: the daemon."
  }
  validation {
    condition     = !anytrue([for one in values(var.trusted) : anytrue([for arn in one.aws : strcontains(arn, "*")])])
    error_message = "Nobody is trusted by a wildcard."
  }
}

variable "operate_also" {
  description = "What the daemon's own role does as well: `expiry`, `drill`, `rebuild`, or some of them. A daemon acts under one set of credentials, so one daemon that also lets recovery points go, brings some back or rebuilds a region needs them. The denials of the role hold all the same: no cluster goes that is not a drill's."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.operate_also : contains(["expiry", "drill", "rebuild"], one)])
    error_message = "It may also do `expiry`, `drill` and `rebuild`."
  }
}

variable "protected" {
  description = <<-EOT
    What the roles may act on. `clusters` and `replication_groups` are names, with `*` at the end at most; `buckets` are
    those whose replication is checked, `exports` those below whose `muster/` objects of workloads and canaries are written;
    `sql_secrets` the beginnings of secrets with logins; `builds` the projects that rebuild a region, by name; `keys` the ARNs of the keys of clusters and of copies.
  EOT
  type = object({
    clusters           = list(string)
    global_clusters    = list(string)
    replication_groups = optional(list(string), [])
    global_caches      = optional(list(string), [])
    buckets            = optional(list(string), [])
    exports            = optional(list(string), [])
    looked_at_buckets  = optional(list(string), [])
    sql_secrets        = optional(list(string), [])
    secrets            = optional(list(string), [])
    builds             = optional(list(string), [])
    keys               = list(string)
    zones              = optional(list(string), [])
  })
}

variable "by_hand" {
  description = "ARNs of the roles of people who may move the marker as well as the daemon: the day without Muster."
  type        = list(string)
  default     = []
}

variable "write_lease" {
  description = "The bucket and key of an application's write lease, where it has one."
  type        = object({ bucket = string, key = string })
  default     = null
}

variable "vault_roles" {
  description = "The roles in the vault's account, where copies go to another account (`deploy/iam/README.md`)."
  type        = list(string)
  default     = []
}

variable "log_lock" {
  description = "For how long what was shipped of the log cannot be deleted, and how strictly: with COMPLIANCE by nobody at all, the account's owner included."
  type        = object({ mode = string, days = number })
  default     = { mode = "COMPLIANCE", days = 400 }
}

variable "on_event_zip" {
  description = "The Lambda function on-event, a path: the binary as `bootstrap` in a zip."
  type        = string
}

variable "watchdog_zip" {
  description = "The Lambda function watchdog, a path, as above."
  type        = string
}

variable "architecture" {
  description = "What both functions were built for: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "A function is built for arm64 or for x86_64."
  }
}

variable "on_event_concurrency" {
  description = "How many of on-event may run at a time in a region, taken from what the account may run at all."
  type        = number
  default     = 5
}

variable "watchdog_environment" {
  description = "The watchdog's variables. What is secret in them is encrypted with Muster's key."
  type        = map(string)
  sensitive   = true
}

variable "schedules" {
  description = "Scheduled rules by their names, and what they ask for. What stands here must not stand in the daemon's own schedules: each would do it once."
  type = map(object({
    expression  = string
    runbook     = string
    application = optional(string)
    inputs      = optional(map(string), {})
    reason      = optional(string, "")
    max_age     = optional(string, "1h")
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.schedules) : can(regex("^[A-Za-z0-9._-]{1,64}$", name))])
    error_message = "A rule's name is 1 to 64 letters, digits, dots, hyphens and underscores."
  }
}

variable "more_rules" {
  description = "Further keys of MUSTER_RULES, such as what the start of a pipeline asks for (`lambdas/src/settings.rs`)."
  type        = any
  default     = {}
}

variable "alarm_name_prefixes" {
  description = "How the names of the alarms begin whose change is told to Muster."
  type        = list(string)
  default     = []
}

variable "pipelines" {
  description = "Pipelines of CodePipeline whose start is told, so that a snapshot is taken before what they deploy."
  type        = list(string)
  default     = []
}

variable "deployments" {
  description = "Applications of CodeDeploy whose deployments' start is told."
  type        = list(string)
  default     = []
}

variable "health_services" {
  description = "Services whose events of AWS Health are told."
  type        = list(string)
  default     = ["EC2", "EKS", "ELASTICACHE", "ELASTICLOADBALANCING", "RDS", "ROUTE53", "S3"]
}

variable "replicated_buckets" {
  description = "Buckets whose failed replication is told, by the side that they are on. Their notifications are then this module's alone."
  type        = object({ primary = optional(list(string), []), standby = optional(list(string), []) })
  default     = {}
}

variable "alarm_actions" {
  description = "ARNs, in each region, that are told when something of Muster's goes wrong. The third region's is the channel that depends on neither side."
  type        = object({ primary = list(string), standby = list(string), third = list(string) })

  validation {
    condition     = length(var.alarm_actions.third) > 0 || !var.alarms
    error_message = "Somebody must be told in the third region: nobody else is left when a side is lost."
  }
}

variable "heartbeat_metric" {
  description = "Whether S3 counts that the heartbeat is written, and an alarm tells when it is not. S3 asks to be paid for request metrics; the watchdog reads the heartbeat in any case."
  type        = bool
  default     = true
}

variable "alarms" {
  description = "Whether CloudWatch alarms are made. Where another monitoring reads the same metrics and pages, they are not."
  type        = bool
  default     = true
}

variable "traffic" {
  description = "The record that users resolve, and where each side is reached. Null where users are moved in another way, such as by routing controls, or where the record is another team's."
  type = object({
    zone_id = string
    name    = string
    primary = object({ dns_name = string, zone_id = string })
    standby = object({ dns_name = string, zone_id = string })
    marker  = optional(string, "standby-serves")
  })
  default = null
}

variable "observer" {
  description = "An observer in the third region (`modules/observer`). Null where the observers run elsewhere; one of them should be no customer of AWS."
  type = object({
    image                = string
    image_repository_arn = optional(string)
    writer_image         = string
    applications         = list(object({ name = string, control = string, sees = map(string) }))
    key_secret_arn       = string
    key_secret_key_arn   = optional(string)
    vpc_id               = string
    task_subnets         = list(string)
    balancer_subnets     = list(string)
    certificate_arn      = string
    asked_from           = list(string)
  })
  default = null
}
