variable "name" {
  description = "What everything is called, and what names begin with."
  type        = string
  default     = "covetpy"
}

variable "brand" {
  description = "What the names of buckets and of the cache begin with."
  type        = string
  default     = "covet"
}

variable "is_home" {
  description = "Whether this is the home of the application: the database is made here, secrets are written here, and buckets bear no region in their names."
  type        = bool
}

variable "vpc_cidr" {
  description = "The network (VPC Configuration). The other side needs another one only if the two are ever joined."
  type        = string
  default     = "10.0.0.0/16"
}

variable "availability_zones" {
  description = "Three zones (High Availability)."
  type        = list(string)

  validation {
    condition     = length(distinct(var.availability_zones)) == 3
    error_message = "Three different zones are needed."
  }
}

variable "api_allowed_from" {
  description = "Who reaches the public endpoint of the Kubernetes API, as CIDRs. Muster and the pipelines must."
  type        = list(string)

  validation {
    condition     = length(var.api_allowed_from) > 0 && !contains(var.api_allowed_from, "0.0.0.0/0")
    error_message = "Somebody must reach the API, and not everybody."
  }
}

variable "nodes_desired" {
  description = "How many nodes each group begins with, where it is not what the guide says: a standby that takes over without launching any is as strong as home."
  type        = map(number)
  default     = {}
}

variable "engine_version" {
  description = "Aurora PostgreSQL (PostgreSQL). Both members must have the same one, or no managed failover is possible (facts §1.2)."
  type        = string
  default     = "15.4"
}

variable "global_cluster" {
  description = "The global database that the cluster is a member of."
  type        = string
}

variable "databases" {
  description = "`joined`: the database's cluster is made here, as a member of the global database. `restored`: all but the cluster, which `environment-rebuild` brings back from a recovery point."
  type        = string
  default     = "joined"

  validation {
    condition     = contains(["joined", "restored"], var.databases)
    error_message = "It is joined or restored."
  }
}

variable "database_password" {
  description = "The password of the master user, at home; it is never in the state. To change it, raise `database_password_version`."
  type        = string
  default     = null
  ephemeral   = true
}

variable "database_password_version" {
  description = "Raised by one for another password."
  type        = number
  default     = 1
}

variable "backup_window" {
  description = "When Aurora backs up by itself, in UTC (Backup Strategy: daily at 02:00). It takes no snapshot of Muster's meanwhile; `muster lint` says which schedules meet it."
  type        = string
  default     = "02:00-03:00"
}

variable "maintenance_window" {
  description = "When Aurora and the cache are maintained, in UTC (Redis). It must not meet the backup window."
  type        = string
  default     = "sun:03:00-sun:04:00"
}

variable "cache_token" {
  description = "The cache's token, 16 to 128 characters. It is in the state, which must be encrypted. Null without a cache."
  type        = string
  default     = null
  sensitive   = true
}

variable "certificate_arn" {
  description = "The certificate of the load balancer, in this region. Certificates are renewed after 60 days (Secret Management)."
  type        = string
}

variable "zone_id" {
  description = "The hosted zone of `domain`."
  type        = string
}

variable "domain" {
  description = "What users resolve. Here only this side's own name below it is made, by which it is probed."
  type        = string
}

variable "replica" {
  description = "Where the backups' bucket replicates to: the other side's, and its key. Null as long as the other side has none."
  type        = object({ bucket_arn = string, key_arn = string })
}

variable "database_logs" {
  description = "Which logs of the database CloudWatch keeps (Log Sources)."
  type        = list(string)
  default     = ["postgresql"]
}

variable "performance_insights_own_key" {
  description = "Whether the database's own key encrypts Performance Insights. That cannot be changed later: an instance that began with AWS's key keeps it."
  type        = bool
  default     = true
}

variable "secret_names" {
  description = "The application's secrets, below its name (Secret Management): further ones below integrations, oauth and monitoring."
  type        = list(string)
  default     = ["database", "redis", "jwt"]
}

variable "secret_replica_region" {
  description = "At home: where the secrets are replicated to."
  type        = string
  default     = null
}

variable "secret_rotation" {
  description = "At home: the functions that rotate secrets by themselves, by the secrets' names. The guide asks for one of `jwt`; the others are rotated by people."
  type        = map(string)
  default     = {}
}

variable "deletion_protection" {
  description = "Whether the database and the load balancer refuse to be deleted, and secrets can be brought back for 30 days. Only a rehearsal that is taken away again says no."
  type        = bool
  default     = true
}

variable "kubernetes" {
  description = "Whether the Kubernetes cluster is made here. Where the platform's team gives one, it is not."
  type        = bool
  default     = true
}

variable "cache" {
  description = "Whether the cache is made here. Where sessions are kept elsewhere on this side, it is not."
  type        = bool
  default     = true
}

variable "flow_logs" {
  description = "Whether the network's traffic is logged here (VPC Flow Logs). Where the organisation collects it for all its networks, it is not."
  type        = bool
  default     = true
}

variable "pod_roles" {
  description = "Whether pods get their roles by the cluster's own identity (Service Accounts). Where pods get them by EKS Pod Identity, they do not."
  type        = bool
  default     = true
}

variable "restore_test_cidr" {
  description = "A network of its own, without a way in or out, where restore tests bring recovery points back."
  type        = string
  default     = "10.255.0.0/24"
}

variable "restore_test_from" {
  description = "Who looks into what was restored, as CIDRs: Muster's checks, by whatever joins the networks."
  type        = list(string)
  default     = []
}
