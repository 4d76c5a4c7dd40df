//! Bad application files: every finding with its line and column.

use muster_runbooks::application::Application;

use super::print::{self, COVETPY};

/// Goal: an application that could hurt at three in the morning is found by day.
/// Method: one change to the reference application each; the snapshot is the table.
#[test]
fn each_mistake_is_found_in_its_place() {
    assert_eq!(print::findings(&Application::check("covetpy.yaml", COVETPY).findings), "");
    let mut table = String::new();
    for (name, from, to) in MISTAKES {
        assert!(COVETPY.contains(from), "{name}: `{from}` is not in the reference application");
        let found = Application::check("x", &COVETPY.replacen(from, to, 1)).findings;
        table += &format!("# {name}\n{}\n", print::findings(&found));
    }
    insta::assert_snapshot!(table);
}

const MISTAKES: &[(&str, &str, &str)] = &[
    ("unknown key", "objectives:", "objectivs:"),
    ("unknown region", "standby: us-west-2", "standby: us-west-9"),
    ("one region twice", "standby: us-west-2", "standby: us-east-1"),
    ("a third region", "      us-east-1: covet-database", "      eu-west-1: covet-database"),
    (
        "ARN under another region",
        "      us-west-2: arn:aws:rds:us-west-2",
        "      us-west-2: arn:aws:rds:us-east-1",
    ),
    ("no ARN", "arn:aws:rds:us-east-1:123456789012:cluster:covetpy-us-east-1", "covetpy-us-east-1"),
    ("ARN of something else", ":cluster:covetpy-us-east-1", ":db:covetpy-us-east-1"),
    ("copies without a key", "      us-west-2: arn:aws:kms", "      # us-west-2: arn:aws:kms"),
    ("marker in the primary region", "    region: us-west-2", "    region: us-east-1"),
    ("no bucket name", "us-east-1: covet-database-backups", "us-east-1: Covet_Database"),
    (
        "probe of the metadata service",
        "https://us-east-1.app.covetpy.example/health/ready",
        "http://169.254.169.254/latest",
    ),
    ("probe of a file", "https://us-west-2.app.covetpy.example/health/ready", "file:///etc/passwd"),
    ("one name for two components", "name: backups", "name: main"),
    ("observers that fail together", "domain: aws-us-west-2", "domain: aws-eu-central-1"),
    ("observer without control", "    control: https://observer-eu.covetpy.example/control\n", ""),
    ("no answer for a side", "us-east-1: [192.0.2.10, 192.0.2.11, 192.0.2.12]", "us-east-1: []"),
    ("objective without its unit", "rpo: 5m", "rpo: 5"),
    ("no replication group", "us-east-1: covet-redis", "us-east-1: covet--redis"),
    ("a cache that one side lacks", "    rebuildable: true\n", ""),
    (
        "an ARN for a secret",
        "secret: covetpy/jwt",
        "secret: arn:aws:secretsmanager:us-east-1:1:secret:a",
    ),
    ("a secret called like a database", "name: secret-jwt", "name: main"),
    ("objects on one side", "      us-west-2: covetpy-terraform-state-us-west-2\n", ""),
    ("no objects", "keys: [production/terraform.tfstate]", "keys: []"),
    ("an object twice", "keys: [production/terraform.tfstate]", "keys: [a, a]"),
    ("name server without a port", "  zone:", "  name_servers: [192.0.2.53]\n  zone:"),
];
