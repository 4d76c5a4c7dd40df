# PostgreSQL (Amazon Aurora): two instances of db.r6g.large, one of which writes. The guide's "Serverless v2" is about
# the volume, which grows by itself; the instances have a class.

resource "aws_db_subnet_group" "this" {
  name       = "${local.full}-database"
  subnet_ids = [for zone in var.availability_zones : aws_subnet.database[zone].id]
}

# Both members inherit nothing from each other (facts §1.2), so the group stands here, for both.
resource "aws_rds_cluster_parameter_group" "this" {
  name        = "${local.full}-database"
  description = "TLS is required (Data in Transit); slow queries are logged (Query Optimization)."
  family      = "aurora-postgresql${split(".", var.engine_version)[0]}"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  # `rds.global_db_rpo` stays unset: with two regions only, the promoted side would stop committing (facts §1.2).
  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }
}

# Where a recovery point is brought back (`environment-rebuild`), it is there already under this name, or comes: what is here
# would be another one. It is imported afterwards.
resource "aws_rds_cluster" "this" {
  count = var.databases == "joined" ? 1 : 0

  cluster_identifier        = local.full
  global_cluster_identifier = var.global_cluster
  engine                    = "aurora-postgresql"
  engine_version            = var.engine_version

  # A secondary has its users and databases from the primary.
  database_name              = var.is_home ? var.name : null
  master_username            = var.is_home ? var.name : null
  master_password_wo         = var.is_home ? var.database_password : null
  master_password_wo_version = var.is_home ? var.database_password_version : null

  db_subnet_group_name            = aws_db_subnet_group.this.name
  vpc_security_group_ids          = [aws_security_group.database.id]
  db_cluster_parameter_group_name = aws_rds_cluster_parameter_group.this.name
  availability_zones              = var.availability_zones

  storage_encrypted = true
  kms_key_id        = aws_kms_key.this["database"].arn

  # Backup Strategy: 14 days.
  backup_retention_period      = 14
  preferred_backup_window      = var.backup_window
  preferred_maintenance_window = var.maintenance_window
  copy_tags_to_snapshot        = true

  deletion_protection             = var.deletion_protection
  skip_final_snapshot             = !var.deletion_protection
  final_snapshot_identifier       = var.deletion_protection ? "${local.full}-final" : null
  enabled_cloudwatch_logs_exports = var.database_logs

  # A failover changes all of these, and an apply afterwards must not change them back: a plan that sets
  # `global_cluster_identifier` to nothing detaches the cluster (facts §1.9).
  lifecycle {
    ignore_changes = [global_cluster_identifier, replication_source_identifier, engine_version, master_username, database_name, availability_zones]
  }
}

resource "aws_iam_role" "enhanced_monitoring" {
  name = "${local.full}-database-monitoring"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RdsOnly"
      Effect    = "Allow"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
      Action    = ["sts:AssumeRole"]
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "enhanced_monitoring" {
  role       = aws_iam_role.enhanced_monitoring.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_rds_cluster_instance" "this" {
  # One in a zone, another one in another: the first takes over from the other within a minute (Failover Process).
  for_each           = { for number in [1, 2] : tostring(number) => var.availability_zones[number - 1] if var.databases == "joined" }
  identifier         = "${local.full}-${each.key}"
  cluster_identifier = aws_rds_cluster.this[0].id
  availability_zone  = each.value
  engine             = aws_rds_cluster.this[0].engine
  engine_version     = var.engine_version
  instance_class     = "db.r6g.large"
  promotion_tier     = 1

  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.performance_insights_own_key ? aws_kms_key.this["database"].arn : null
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.enhanced_monitoring.arn
  # Nothing changes by itself inside a global database (facts §1.2).
  auto_minor_version_upgrade = false
  copy_tags_to_snapshot      = true

  lifecycle {
    ignore_changes = [engine_version]
  }
}

# Where restore tests bring recovery points back: a network of its own, so that what comes back reaches nobody.
resource "aws_vpc" "restore_test" {
  cidr_block = var.restore_test_cidr
  tags       = { Name = "${local.full}-restore-test" }
}

resource "aws_default_security_group" "restore_test" {
  vpc_id = aws_vpc.restore_test.id
}

resource "aws_subnet" "restore_test" {
  for_each          = local.zones
  vpc_id            = aws_vpc.restore_test.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.restore_test_cidr, 2, each.value)
  tags              = { Name = "${local.full}-restore-test-${each.key}" }
}

resource "aws_db_subnet_group" "restore_test" {
  name       = "${var.name}-restore-test"
  subnet_ids = [for zone in var.availability_zones : aws_subnet.restore_test[zone].id]
}

resource "aws_security_group" "restore_test" {
  name        = "${local.full}-restore-test"
  description = "What restore tests bring back."
  vpc_id      = aws_vpc.restore_test.id
}

resource "aws_vpc_security_group_ingress_rule" "restore_test" {
  for_each          = toset(var.restore_test_from)
  security_group_id = aws_security_group.restore_test.id
  description       = "Muster looks."
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
}
