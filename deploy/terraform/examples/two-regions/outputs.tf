output "permissions" {
  description = "What each role of Muster's allows."
  value       = module.muster.permissions
}

output "roles" {
  description = "Muster's roles."
  value       = module.muster.roles
}

output "daemon" {
  description = "For `deploy/covetpy/muster.yaml`."
  value       = module.muster.daemon
}

output "application" {
  description = "For `deploy/covetpy/applications/covetpy.yaml`."
  value = {
    clusters     = { us-east-1 = module.home.cluster_arn, us-west-2 = module.standby.cluster_arn }
    copy_keys    = { us-east-1 = module.home.key_arns.database, us-west-2 = module.standby.key_arns.database }
    restore_test = { us-east-1 = module.home.restore_test, us-west-2 = module.standby.restore_test }
    buckets      = { us-east-1 = module.home.buckets.backups, us-west-2 = module.standby.buckets.backups }
    marker       = module.muster.marker
    kubernetes   = { us-east-1 = module.home.kubernetes, us-west-2 = module.standby.kubernetes }
    secrets      = module.home.secret_arns
  }
}
