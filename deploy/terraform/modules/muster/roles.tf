# The roles, out of the policies in `deploy/iam`. Each file is one policy; a role is a list of files.

locals {
  iam = "${path.module}/../../../iam"
  s3  = "arn:aws:s3:::"
  # ARNs of something in both regions.
  in_both = { for kind, names in {
    clusters = [for name in var.protected.clusters : "rds:REGION:cluster:${name}"]
    caches   = [for name in var.protected.replication_groups : "elasticache:REGION:replicationgroup:${name}"]
    secrets  = [for name in concat(var.protected.sql_secrets) : "secretsmanager:REGION:secret:${name}"]
    builds   = [for name in var.protected.builds : "codebuild:REGION:project/${name}"]
  } : kind => flatten([for region in local.sides : [for name in names : "arn:aws:${replace(name, "REGION", "${region}:${local.account}")}"]]) }

  own_cache_snapshots = [for region in local.sides : "arn:aws:elasticache:${region}:${local.account}:snapshot:muster-*"]

  # What stands for CovetPy in the files, and what it is here.
  resources = {
    "arn:aws:s3:::covetpy-muster-lease"                               = ["${local.s3}${local.buckets.lease}"]
    "arn:aws:s3:::covetpy-muster-lease/*"                             = ["${local.s3}${local.buckets.lease}/*"]
    "arn:aws:s3:::covetpy-muster-lease/lease"                         = ["${local.s3}${local.buckets.lease}/lease"]
    "arn:aws:s3:::covetpy-muster-lease/lease.heartbeat"               = ["${local.s3}${local.buckets.lease}/lease.heartbeat"]
    "arn:aws:s3:::covetpy-muster-log"                                 = ["${local.s3}${local.buckets.log}"]
    "arn:aws:s3:::covetpy-muster-log/*"                               = ["${local.s3}${local.buckets.log}/*"]
    "arn:aws:s3:::covetpy-muster-log/log/*"                           = ["${local.s3}${local.buckets.log}/log/*"]
    "arn:aws:s3:::covetpy-by-hand-us-east-1/*"                        = ["${local.s3}${local.buckets.by_hand_primary}/*"]
    "arn:aws:s3:::covetpy-by-hand-us-west-2/*"                        = ["${local.s3}${local.buckets.by_hand_standby}/*"]
    "arn:aws:s3:::covetpy-by-hand-us-east-1/by-hand/*"                = ["${local.s3}${local.buckets.by_hand_primary}/by-hand/*"]
    "arn:aws:s3:::covetpy-by-hand-us-west-2/by-hand/*"                = ["${local.s3}${local.buckets.by_hand_standby}/by-hand/*"]
    "arn:aws:s3:::covetpy-by-hand-us-east-1/freezes/*"                = ["${local.s3}${local.buckets.by_hand_primary}/freezes/*"]
    "arn:aws:s3:::covetpy-by-hand-us-west-2/freezes/*"                = ["${local.s3}${local.buckets.by_hand_standby}/freezes/*"]
    "arn:aws:s3:::covetpy-traffic-us-west-2"                          = ["${local.s3}${local.buckets.markers}"]
    "arn:aws:s3:::covetpy-traffic-us-west-2/standby-serves"           = ["${local.s3}${local.buckets.markers}/${local.marker}"]
    "arn:aws:s3:::covetpy-write-lease"                                = var.write_lease == null ? [] : ["${local.s3}${var.write_lease.bucket}"]
    "arn:aws:s3:::covetpy-write-lease/*"                              = var.write_lease == null ? [] : ["${local.s3}${var.write_lease.bucket}/*"]
    "arn:aws:s3:::covetpy-write-lease/writer"                         = var.write_lease == null ? [] : ["${local.s3}${var.write_lease.bucket}/${var.write_lease.key}"]
    "arn:aws:s3:::covet-database-backups"                             = [for name in var.protected.buckets : "${local.s3}${name}"]
    "arn:aws:s3:::covet-database-backups-us-west-2"                   = []
    "arn:aws:s3:::covet-database-backups/*"                           = [for name in var.protected.buckets : "${local.s3}${name}/*"]
    "arn:aws:s3:::covet-database-backups-us-west-2/*"                 = []
    "arn:aws:s3:::covet-database-backups/muster/*"                    = [for name in var.protected.exports : "${local.s3}${name}/muster/*"]
    "arn:aws:s3:::covet-database-backups-us-west-2/muster/*"          = []
    "arn:aws:s3:::*/muster/objects/*/muster-*.json"                   = [for name in var.protected.exports : "${local.s3}${name}/muster/objects/*/muster-*.json"]
    "arn:aws:rds:*:*:cluster:covetpy-*"                               = local.in_both.clusters
    "arn:aws:rds::*:global-cluster:covetpy"                           = [for name in var.protected.global_clusters : "arn:aws:rds::${local.account}:global-cluster:${name}"]
    "arn:aws:elasticache:*:*:replicationgroup:covet-redis"            = local.in_both.caches
    "arn:aws:elasticache::*:globalreplicationgroup:ldgnf-covet-redis" = [for name in var.protected.global_caches : "arn:aws:elasticache::${local.account}:globalreplicationgroup:${name}"]
    "arn:aws:secretsmanager:*:*:secret:covetpy/muster-*"              = local.in_both.secrets
    "arn:aws:codebuild:*:*:project/covetpy-*"                         = local.in_both.builds
    "arn:aws:kms:*:*:key/*"                                           = var.protected.keys
    "arn:aws:route53:::hostedzone/Z0123456789COVETPYAB"               = [for zone in var.protected.zones : "arn:aws:route53:::hostedzone/${zone}"]
    "arn:aws:iam::999988887777:role/muster-vault"                     = var.vault_roles
    "arn:aws:iam::999988887777:role/muster-vault-expiry"              = []
    "arn:aws:sqs:us-east-1:123456789012:muster"                       = [local.queue_arns[0]]
    "arn:aws:sqs:us-west-2:123456789012:muster"                       = [local.queue_arns[1]]
    "arn:aws:sqs:us-east-1:123456789012:muster-dead-letters"          = [local.dead_letter_arns[0]]
    "arn:aws:sqs:us-west-2:123456789012:muster-dead-letters"          = [local.dead_letter_arns[1]]
    "arn:aws:logs:*:*:log-group:/aws/lambda/muster-on-event:*"        = [for region in local.sides : "arn:aws:logs:${region}:${local.account}:log-group:/aws/lambda/${var.name}-on-event:*"]
    "arn:aws:secretsmanager:*:123456789012:secret:muster/watchdog-*"  = ["arn:aws:secretsmanager:${local.third}:${local.account}:secret:${var.name}/watchdog-*"]
    "arn:aws:logs:*:*:log-group:/aws/lambda/muster-watchdog:*"        = ["arn:aws:logs:${local.third}:${local.account}:log-group:/aws/lambda/${var.name}-watchdog:*"]
  }

  # Where a file allows reading everywhere, this is where.
  looked_at = distinct(concat(var.protected.buckets, var.protected.exports, var.protected.looked_at_buckets, [local.buckets.markers]))
  narrow = {
    "s3:"             = flatten([for name in local.looked_at : ["${local.s3}${name}", "${local.s3}${name}/*"]])
    "route53:"        = [for zone in var.protected.zones : "arn:aws:route53:::hostedzone/${zone}"]
    "secretsmanager:" = flatten([for region in local.sides : [for name in var.protected.secrets : "arn:aws:secretsmanager:${region}:${local.account}:secret:${name}"]])
  }

  # Each role's policies, and the files that each of them is made of. AWS gives a role ten policies at most, of 6144
  # characters each, so what the daemon needs for itself is one.
  files = {
    operate = merge(
      {
        operate = ["operate"]
        never   = ["never"]
        look    = ["look"]
        itself  = concat(["lease", "ship", "by-hand", "freeze", "queue"], var.write_lease == null ? [] : ["write-lease"])
      },
      length(var.vault_roles) == 0 ? {} : { share = ["share"] },
      { for file in var.operate_also : file => [file] },
    )
    expiry   = { expiry = ["expiry"] }
    drill    = { drill = ["drill"] }
    look     = { look = ["look"] }
    on-event = { on-event = ["on-event"] }
    watchdog = { watchdog = ["watchdog"] }
  }
  # The functions are trusted by Lambda alone.
  trusted = merge(var.trusted, { for name in ["on-event", "watchdog"] : name => { aws = [], services = ["lambda.amazonaws.com"], oidc = null } })
  roles   = { for role, documents in local.files : role => documents if contains(keys(local.trusted), role) }

  policies = merge([for role, documents in local.roles : {
    for name, files in documents : "${role}-${name}" => { role = role, files = files }
  }]...)

  # Of what the daemon's role does as well only what is allowed is taken: the denials of `expiry` and `drill` are about
  # a role that does nothing else, and `never.json` denies for all three.
  parts = merge([for key, one in local.policies : {
    for file in one.files : "${key}-${file}" => {
      file    = file
      effects = one.role == "operate" && contains(var.operate_also, file) ? ["Allow"] : ["Allow", "Deny"]
    }
  }]...)
}

module "policy" {
  source   = "../policy"
  for_each = local.parts

  file      = "${local.iam}/${each.value.file}.json"
  account   = local.account
  regions   = local.sides
  resources = local.resources
  narrow    = local.narrow
  effects   = each.value.effects
}

locals {
  role_names = { for role in keys(local.roles) : role => role == "operate" ? var.name : "${var.name}-${role}" }
  role_arns  = { for role, name in local.role_names : role => "arn:aws:iam::${local.account}:role/${name}" }
}

resource "aws_iam_role" "this" {
  provider = aws.third
  for_each = local.roles

  name                 = local.role_names[each.key]
  description          = "Muster: ${each.key}"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      length(local.trusted[each.key].aws) == 0 ? [] : [{
        Sid       = "Principals"
        Effect    = "Allow"
        Principal = { AWS = local.trusted[each.key].aws }
        Action    = ["sts:AssumeRole"]
      }],
      length(local.trusted[each.key].services) == 0 ? [] : [{
        Sid       = "Services"
        Effect    = "Allow"
        Principal = { Service = local.trusted[each.key].services }
        Action    = ["sts:AssumeRole"]
      }],
      local.trusted[each.key].oidc == null ? [] : [{
        Sid       = "Pods"
        Effect    = "Allow"
        Principal = { Federated = local.trusted[each.key].oidc.provider_arn }
        Action    = ["sts:AssumeRoleWithWebIdentity"]
        Condition = { StringEquals = {
          "${local.trusted[each.key].oidc.issuer}:aud" = "sts.amazonaws.com"
          "${local.trusted[each.key].oidc.issuer}:sub" = local.trusted[each.key].oidc.subject
        } }
      }],
    )
  })
}

resource "aws_iam_policy" "this" {
  provider = aws.third
  for_each = local.policies

  name        = "${var.name}-${each.key}"
  description = "deploy/iam: ${join(", ", each.value.files)}; narrowed"
  policy = jsonencode({
    Version = "2012-10-17"
    # A statement's name is unique in a policy.
    Statement = concat([for file in each.value.files : [
      for one in jsondecode(module.policy["${each.key}-${file}"].statements) :
      merge(one, length(each.value.files) == 1 ? {} : { Sid = "${replace(title(file), "-", "")}${one.Sid}" })
    ]]...)
  })

  lifecycle {
    postcondition {
      condition     = length(self.policy) <= 6144
      error_message = "A policy has at most 6144 characters: name fewer things in `protected`, or give several a common beginning."
    }
  }
}

resource "aws_iam_role_policy_attachment" "this" {
  provider = aws.third
  for_each = local.policies

  role       = aws_iam_role.this[each.value.role].name
  policy_arn = aws_iam_policy.this[each.key].arn
}

# A host takes the daemon's role by its profile.
resource "aws_iam_instance_profile" "operate" {
  provider = aws.third
  count    = contains(local.trusted["operate"].services, "ec2.amazonaws.com") ? 1 : 0
  name     = local.role_names["operate"]
  role     = aws_iam_role.this["operate"].name
}
