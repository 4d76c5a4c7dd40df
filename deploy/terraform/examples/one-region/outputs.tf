output "application" {
  description = "What belongs into the application's file for this region."
  value = {
    cluster           = module.environment.cluster_arn
    copy_key          = module.environment.key_arns["database"]
    restore_test      = module.environment.restore_test
    rebuild           = module.environment.rebuild
    replication_group = module.environment.replication_group
    buckets           = module.environment.buckets
    balancer          = module.environment.balancer
  }
}
