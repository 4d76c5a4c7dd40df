variable "region" {
  description = "The region that is built."
  type        = string
}

variable "availability_zones" {
  description = "Three of its zones."
  type        = list(string)
}

variable "is_home" {
  description = "Whether it is the home of the application. A third region is not."
  type        = bool
  default     = false
}

variable "databases" {
  description = "What the build is told by `MUSTER_DATABASES`: `joined`, the cluster becomes a member of the global database; `restored`, a later step brings it back."
  type        = string
}

variable "vpc_cidr" {
  description = "The network."
  type        = string
  default     = "10.1.0.0/16"
}

variable "operators" {
  description = "Who reaches the Kubernetes API, as CIDRs."
  type        = list(string)
}

variable "engine_version" {
  description = "Aurora PostgreSQL; the same as the other member's."
  type        = string
  default     = "15.4"
}

variable "database_password" {
  description = "The master user's, where the home is built with a new database; null else."
  type        = string
  default     = null
  ephemeral   = true
}

variable "cache_token" {
  description = "The cache's token, 16 to 128 characters."
  type        = string
  sensitive   = true
}

variable "certificate_arn" {
  description = "The load balancer's certificate, in this region."
  type        = string
}

variable "zone_id" {
  description = "The hosted zone of `domain`."
  type        = string
}

variable "domain" {
  description = "What users resolve."
  type        = string
  default     = "app.covetpy.example"
}

variable "replica" {
  description = "The other side's bucket for backups and its key; null as long as the other side has none."
  type        = object({ bucket_arn = string, key_arn = string })
  default     = null
}

variable "secret_names" {
  description = "The application's secrets, where the home is built; they come to the other side by replication."
  type        = list(string)
  default     = ["database", "redis", "jwt"]
}

variable "secret_replica_region" {
  description = "Where the home's secrets are replicated to."
  type        = string
  default     = null
}

variable "nodes_desired" {
  description = "How many nodes each group begins with, where it is not what the guide says."
  type        = map(number)
  default     = {}
}
