//! The figures of the reference environment, as its architecture guide has them.

use muster_tests::terraform::resources;
use serde_json::{Value, json};

use super::held;

/// Address below a side's module, where in it, and what the guide says.
fn figures() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        // VPC Configuration.
        (r#"aws_subnet.public["AZ0"]"#, "/cidr_block", json!("10.NET.48.0/24")),
        (r#"aws_subnet.public["AZ1"]"#, "/cidr_block", json!("10.NET.49.0/24")),
        (r#"aws_subnet.public["AZ2"]"#, "/cidr_block", json!("10.NET.50.0/24")),
        (r#"aws_subnet.private["AZ0"]"#, "/cidr_block", json!("10.NET.0.0/20")),
        (r#"aws_subnet.private["AZ1"]"#, "/cidr_block", json!("10.NET.16.0/20")),
        (r#"aws_subnet.private["AZ2"]"#, "/cidr_block", json!("10.NET.32.0/20")),
        (r#"aws_subnet.database["AZ0"]"#, "/cidr_block", json!("10.NET.52.0/24")),
        (r#"aws_subnet.database["AZ1"]"#, "/cidr_block", json!("10.NET.53.0/24")),
        (r#"aws_subnet.database["AZ2"]"#, "/cidr_block", json!("10.NET.54.0/24")),
        // Security Groups.
        ("aws_vpc_security_group_ingress_rule.database", "/from_port", json!(5432)),
        (r#"aws_vpc_security_group_ingress_rule.balancer["https"]"#, "/from_port", json!(443)),
        (r#"aws_vpc_security_group_ingress_rule.balancer["http"]"#, "/from_port", json!(80)),
        // VPC Flow Logs.
        ("aws_flow_log.this[0]", "/traffic_type", json!("ALL")),
        ("aws_cloudwatch_log_group.flow[0]", "/retention_in_days", json!(30)),
        // EKS Configuration.
        ("aws_eks_cluster.this[0]", "/version", json!("1.28")),
        ("aws_eks_cluster.this[0]", "/vpc_config/0/endpoint_public_access", json!(true)),
        ("aws_eks_cluster.this[0]", "/vpc_config/0/endpoint_private_access", json!(true)),
        ("aws_eks_cluster.this[0]", "/encryption_config/0/resources", json!(["secrets"])),
        (
            "aws_eks_cluster.this[0]",
            "/enabled_cluster_log_types",
            json!(["api", "audit", "authenticator", "controllerManager", "scheduler"]),
        ),
        // Node Groups.
        (
            r#"aws_eks_node_group.this["general"]"#,
            "/scaling_config/0",
            json!({ "min_size": 2, "max_size": 10, "desired_size": 3 }),
        ),
        (r#"aws_eks_node_group.this["general"]"#, "/capacity_type", json!("ON_DEMAND")),
        (
            r#"aws_eks_node_group.this["general"]"#,
            "/instance_types",
            json!(["m5.large", "m5a.large", "m5n.large"]),
        ),
        (
            r#"aws_eks_node_group.this["compute"]"#,
            "/scaling_config/0",
            json!({ "min_size": 1, "max_size": 20, "desired_size": 2 }),
        ),
        (r#"aws_eks_node_group.this["compute"]"#, "/capacity_type", json!("SPOT")),
        (
            r#"aws_eks_node_group.this["compute"]"#,
            "/instance_types",
            json!(["c5n.2xlarge", "c5n.4xlarge"]),
        ),
        (r#"aws_eks_node_group.this["compute"]"#, "/taint/0/key", json!("high-performance")),
        (
            r#"aws_eks_node_group.this["memory"]"#,
            "/scaling_config/0",
            json!({ "min_size": 0, "max_size": 5, "desired_size": 1 }),
        ),
        (r#"aws_eks_node_group.this["memory"]"#, "/capacity_type", json!("SPOT")),
        (
            r#"aws_eks_node_group.this["memory"]"#,
            "/instance_types",
            json!(["r5.2xlarge", "r5.4xlarge"]),
        ),
        (r#"aws_eks_node_group.this["memory"]"#, "/taint/0/key", json!("high-memory")),
        // PostgreSQL.
        ("aws_rds_cluster.this[0]", "/engine", json!("aurora-postgresql")),
        ("aws_rds_cluster.this[0]", "/engine_version", json!("15.4")),
        ("aws_rds_cluster.this[0]", "/backup_retention_period", json!(14)),
        ("aws_rds_cluster.this[0]", "/preferred_backup_window", json!("02:00-03:00")),
        ("aws_rds_cluster.this[0]", "/storage_encrypted", json!(true)),
        ("aws_rds_cluster.this[0]", "/deletion_protection", json!(true)),
        (r#"aws_rds_cluster_instance.this["1"]"#, "/instance_class", json!("db.r6g.large")),
        (r#"aws_rds_cluster_instance.this["2"]"#, "/instance_class", json!("db.r6g.large")),
        (r#"aws_rds_cluster_instance.this["2"]"#, "/performance_insights_enabled", json!(true)),
        // Redis.
        (
            "aws_elasticache_replication_group.this[0]",
            "/replication_group_id",
            json!("covet-redis"),
        ),
        ("aws_elasticache_replication_group.this[0]", "/engine_version", json!("7.0")),
        ("aws_elasticache_replication_group.this[0]", "/node_type", json!("cache.r6g.large")),
        ("aws_elasticache_replication_group.this[0]", "/num_cache_clusters", json!(3)),
        ("aws_elasticache_replication_group.this[0]", "/snapshot_window", json!("02:00-03:00")),
        (
            "aws_elasticache_replication_group.this[0]",
            "/maintenance_window",
            json!("sun:03:00-sun:04:00"),
        ),
        ("aws_elasticache_replication_group.this[0]", "/transit_encryption_enabled", json!(true)),
        // S3 Buckets.
        (r#"aws_s3_bucket.this["assets"]"#, "/bucket", json!("covet-assets-productionSUFFIX")),
        (r#"aws_s3_bucket.this["backups"]"#, "/bucket", json!("covet-database-backupsSUFFIX")),
        (r#"aws_s3_bucket.this["logs"]"#, "/bucket", json!("covet-alb-logsSUFFIX")),
        ("aws_s3_bucket_lifecycle_configuration.logs", "/rule/0/expiration/0/days", json!(90)),
        ("aws_s3_bucket_replication_configuration.backups[0]", "/rule/0/status", json!("Enabled")),
        // Application Load Balancer and Target Groups.
        ("aws_lb.this", "/internal", json!(false)),
        ("aws_lb.this", "/enable_deletion_protection", json!(true)),
        ("aws_lb.this", "/access_logs/0/enabled", json!(true)),
        ("aws_lb_target_group.this", "/health_check/0/path", json!("/health/ready")),
        ("aws_lb_target_group.this", "/health_check/0/port", json!("8000")),
        ("aws_lb_target_group.this", "/health_check/0/healthy_threshold", json!(2)),
        ("aws_lb_target_group.this", "/health_check/0/unhealthy_threshold", json!(3)),
        ("aws_lb_target_group.this", "/health_check/0/timeout", json!(10)),
        ("aws_lb_target_group.this", "/health_check/0/interval", json!(30)),
        // Data in Transit.
        ("aws_lb_listener.https", "/ssl_policy", json!("ELBSecurityPolicy-TLS13-1-2-2021-06")),
        ("aws_lb_listener.http", "/default_action/0/redirect/0/protocol", json!("HTTPS")),
    ]
}

/// Both sides are alike, but for their network and the names of their buckets.
pub(super) fn are_the_guides(root: &Value) {
    let sides = [("home", "us-east-1", "0", ""), ("standby", "us-west-2", "1", "-us-west-2")];
    let mut wrong = Vec::new();
    for (side, region, net, suffix) in sides {
        let here = |text: &str| {
            let text = text.replace("10.NET.", &format!("10.{net}.")).replace("SUFFIX", suffix);
            ["AZ0", "AZ1", "AZ2"]
                .iter()
                .zip(["a", "b", "c"])
                .fold(text, |text, (zone, letter)| text.replace(zone, &format!("{region}{letter}")))
        };
        for (address, place, wanted) in figures() {
            let address = here(&format!("module.{side}.{address}"));
            let wanted = wanted.as_str().map_or_else(|| wanted.clone(), |text| json!(here(text)));
            let found = held(root, &address).pointer(place).cloned().unwrap_or_default();
            if found != wanted {
                wrong.push(format!("{address}{place}: {found}, and not {wanted}"));
            }
        }
    }
    // Secret Management, of which one is rotated by a function.
    let rotation = held(root, r#"module.home.aws_secretsmanager_secret_rotation.this["jwt"]"#);
    let days = &rotation["rotation_rules"][0]["automatically_after_days"];
    if *days != json!(30) {
        wrong.push(format!("the rotation of jwt: {days} days"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every alarm tells somebody in its own region, when it rings and when it is over.
pub(super) fn alarms_wake_somebody(root: &Value) {
    let alarms: Vec<&Value> = resources(root)
        .into_iter()
        .filter(|one| one["type"] == "aws_cloudwatch_metric_alarm")
        .collect();
    for one in &alarms {
        for told in ["alarm_actions", "ok_actions"] {
            let told = one["values"][told].as_array().map_or(0, Vec::len);
            assert_eq!(told, 1, "{}", one["address"]);
        }
    }
    // Four for each side's events; heartbeat, watchdog twice, observer.
    assert_eq!(alarms.len(), 12, "{alarms:?}");
    let heartbeat = held(root, r#"module.muster.aws_cloudwatch_metric_alarm.this["heartbeat"]"#);
    assert_eq!(heartbeat["treat_missing_data"], "breaching", "silence is what it is about");
}
