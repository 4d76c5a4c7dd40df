# The lease is in the third region, versioned, never replicated, and without a lifecycle rule. S3's own key
# encrypts it: whatever else would have to answer could be what keeps Muster from acting.
module "lease" {
  source    = "../bucket"
  providers = { aws = aws.third }

  name             = local.buckets.lease
  writers          = [local.role_arns["operate"]]
  never_replicated = true
  depends_on       = [aws_iam_role.this]
}

# The journal's log, which is the audit log too: nobody takes anything out of it.
module "log" {
  source    = "../bucket"
  providers = { aws = aws.third }

  name       = local.buckets.log
  key_arn    = aws_kms_replica_key.third.arn
  lock       = var.log_lock
  writers    = [local.role_arns["operate"]]
  depends_on = [aws_iam_role.this]
}

# Pages for doing it by hand, and whether an application is frozen: in each region by itself, without replication, so
# that one that is lost holds nobody up.
module "by_hand_primary" {
  source    = "../bucket"
  providers = { aws = aws.primary }

  name       = local.buckets.by_hand_primary
  key_arn    = aws_kms_key.muster.arn
  writers    = [local.role_arns["operate"]]
  depends_on = [aws_iam_role.this]
}

module "by_hand_standby" {
  source    = "../bucket"
  providers = { aws = aws.standby }

  name       = local.buckets.by_hand_standby
  key_arn    = aws_kms_replica_key.standby.arn
  writers    = [local.role_arns["operate"]]
  depends_on = [aws_iam_role.this]
}

# The marker. Route 53's checkers come from outside without credentials, so they cannot open a key of KMS. No
# lifecycle rule: a lost marker would send users back in silence.
module "markers" {
  source    = "../bucket"
  providers = { aws = aws.standby }

  name       = local.buckets.markers
  public_key = local.marker
  writers    = concat([local.role_arns["operate"]], var.by_hand)
  depends_on = [aws_iam_role.this]
}
