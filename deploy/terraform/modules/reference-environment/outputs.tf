output "vpc" {
  description = "The network: its id and subnets."
  value = {
    id       = aws_vpc.this.id
    public   = [for zone in var.availability_zones : aws_subnet.public[zone].id]
    private  = [for zone in var.availability_zones : aws_subnet.private[zone].id]
    database = [for zone in var.availability_zones : aws_subnet.database[zone].id]
  }
}

output "balancer" {
  description = "Where users are sent on this side."
  value       = { dns_name = aws_lb.this.dns_name, zone_id = aws_lb.this.zone_id }
}

output "cluster_arn" {
  description = "The database's cluster, as the application's file names it; null where it is restored."
  value       = one(aws_rds_cluster.this[*].arn)
}

# What is known before anything is made is said as such, so that a plan shows the policies that speak of it.
output "replication_group" {
  description = "The cache, as the application's file names it."
  value       = local.cache
  depends_on  = [aws_elasticache_replication_group.this]
}

output "key_arns" {
  description = "The keys. Copies of snapshots that come here are made under `database`."
  value       = { for name, one in aws_kms_key.this : name => one.arn }
}

output "replica" {
  description = "What the other side replicates to, once it is versioned."
  value       = { bucket_arn = aws_s3_bucket.this["backups"].arn, key_arn = aws_kms_key.this["storage"].arn }
  depends_on  = [aws_s3_bucket_versioning.this]
}

output "buckets" {
  description = "The buckets' names, by what they are for."
  value       = { for name, one in local.buckets : name => one.name }
  depends_on  = [aws_s3_bucket.this]
}

output "secret_arns" {
  description = "The secrets, at home."
  value       = { for name, one in aws_secretsmanager_secret.this : name => one.arn }
}

output "restore_test" {
  description = "What `restore_test` of the application's file says for this region."
  value = {
    subnet_group    = aws_db_subnet_group.restore_test.name
    security_groups = [aws_security_group.restore_test.id]
    instance_class  = "db.r6g.large"
  }
}

output "rebuild" {
  description = "What `rebuild` of the application's file says for this region."
  value = {
    subnet_group    = aws_db_subnet_group.this.name
    parameter_group = aws_rds_cluster_parameter_group.this.name
    security_groups = [aws_security_group.database.id]
    instance_class  = "db.r6g.large"
  }
}

output "kubernetes" {
  description = "The cluster, and where pods come into the load balancer; null where it is made elsewhere."
  value = var.kubernetes ? {
    name             = aws_eks_cluster.this[0].name
    endpoint         = aws_eks_cluster.this[0].endpoint
    target_group_arn = aws_lb_target_group.this.arn
    roles            = { for name, one in aws_iam_role.pods : name => one.arn }
  } : null
}

output "global_cluster" {
  description = "The global database, once this member of it stands: the other side joins it then."
  value       = var.global_cluster
  depends_on  = [aws_rds_cluster_instance.this]
}
