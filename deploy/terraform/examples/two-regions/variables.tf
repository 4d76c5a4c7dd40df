variable "domain" {
  description = "What users resolve."
  type        = string
  default     = "app.covetpy.example"
}

variable "zone_id" {
  description = "The hosted zone of `domain`."
  type        = string
}

variable "certificate_arns" {
  description = "The load balancers' certificates, one in each region."
  type        = object({ primary = string, standby = string })
}

variable "engine_version" {
  description = "Aurora PostgreSQL, of both members."
  type        = string
  default     = "15.4"
}

variable "database_password" {
  description = "The database's master user's; never in the state."
  type        = string
  ephemeral   = true
}

variable "database_password_version" {
  description = "Raised by one for another password."
  type        = number
  default     = 1
}

variable "cache_token" {
  description = "The cache's token, 16 to 128 characters."
  type        = string
  sensitive   = true
}

variable "jwt_rotation_arn" {
  description = "The function that rotates `covetpy/jwt` every 30 days; null while there is none."
  type        = string
  default     = null
}

variable "operators" {
  description = "Where people, pipelines and Muster reach the Kubernetes API from, as CIDRs."
  type        = list(string)
}

variable "operator_arns" {
  description = "The roles of the people who operate Muster."
  type        = list(string)
}

variable "state_buckets" {
  description = "The buckets of Terraform's state, that a rebuild starts from."
  type        = list(string)
  default     = ["covetpy-terraform-state", "covetpy-terraform-state-us-west-2"]
}

variable "on_event_zip" {
  description = "The function on-event, a path."
  type        = string
}

variable "watchdog_zip" {
  description = "The function watchdog, a path."
  type        = string
}

variable "watchdog_environment" {
  description = "The watchdog's variables."
  type        = map(string)
  sensitive   = true
}

variable "alarm_actions" {
  description = "Topics, or whatever else an alarm may tell, in each region."
  type        = object({ primary = list(string), standby = list(string), third = list(string) })
}

variable "deletion_protection" {
  description = "Whether databases and load balancers refuse to be deleted."
  type        = bool
  default     = true
}

variable "observer" {
  description = "The observer in the third region (`modules/observer`); null without one."
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
