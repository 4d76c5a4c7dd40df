output "roles" {
  description = "The roles' ARNs."
  value       = { for role, one in aws_iam_role.this : role => one.arn }
}

output "permissions" {
  description = "What each role allows: the actions."
  value = { for role in keys(local.roles) : role => sort(distinct(flatten([
    for key, policy in local.policies : [for file in policy.files : module.policy["${key}-${file}"].allows] if policy.role == role
  ]))) }
}

output "instance_profile" {
  description = "The profile of a host that the daemon runs on; null where no host may take the role."
  value       = one(aws_iam_instance_profile.operate[*].name)
}

output "key_arns" {
  description = "Muster's key in each region."
  value = {
    (local.primary) = aws_kms_key.muster.arn
    (local.standby) = aws_kms_replica_key.standby.arn
    (local.third)   = aws_kms_replica_key.third.arn
  }
}

locals {
  copies = { (local.primary) = module.by_hand_primary.name, (local.standby) = module.by_hand_standby.name }
}

output "daemon" {
  description = "What the daemon's configuration says of all this (`deploy/covetpy/muster.yaml`)."
  value = {
    lease   = { region = local.third, bucket = module.lease.name, key = "lease" }
    ship    = { region = local.third, bucket = module.log.name, prefix = "log" }
    by_hand = { copies = [for region, bucket in local.copies : { region = region, bucket = bucket, prefix = "by-hand" }] }
    freeze  = { copies = [for region, bucket in local.copies : { region = region, bucket = bucket, prefix = "freezes" }] }
    queues = [for one in [module.events_primary, module.events_standby] :
      merge(one.queue, { dead_letters = one.dead_letters_url })
    ]
  }
}

output "marker" {
  description = "What the application's `traffic.marker` says."
  value       = { region = local.standby, bucket = module.markers.name, key = local.marker }
}

output "dead_letters" {
  description = "Where whatever could not be delivered or taken lies."
  value       = [module.events_primary.dead_letters_url, module.events_standby.dead_letters_url]
}

output "observer" {
  description = "Where the name that the daemon asks must point; null without an observer."
  value       = one(module.observer[*].balancer_name)
}
