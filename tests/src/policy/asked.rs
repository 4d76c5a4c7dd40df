//! What recorded calls ask the policies for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Asked;

/// What one recorded call asks for: each action with each resource that AWS checks it against.
///
/// The emulator cannot tell resources, so they are read from the parameters of the request, in the account
/// of whoever called. `tags` are those of everything that was made before, by name.
///
/// # Panics
///
/// When the call is of a service whose resources are not known here.
pub fn asked_by(
    call: &Value,
    account: &str,
    tags: &BTreeMap<String, BTreeMap<String, String>>,
) -> Vec<Asked> {
    match call["service"].as_str().unwrap_or_default() {
        "s3" => of_s3(call),
        "codebuild" => of_builds(call, account),
        "route53" => of_zones(call),
        "secretsmanager" => {
            vec![asked(&format!("secretsmanager:{}", operation(call)), text(call, "SecretId"))]
        }
        "rds" | "elasticache" | "sts" | "cloudwatch" => of_names(call, account, tags),
        other => panic!("what a call of `{other}` asks for is not known: {call}"),
    }
}

fn asked(action: &str, resource: &str) -> Asked {
    let (action, resource) = (action.to_owned(), resource.to_owned());
    Asked { action, resource, context: BTreeMap::new() }
}

fn operation(call: &Value) -> &str {
    call["operation"].as_str().unwrap_or_default()
}

fn text<'a>(call: &'a Value, name: &str) -> &'a str {
    call["parameters"][name].as_str().unwrap_or_default()
}

/// Calls whose parameters name what they are about.
fn of_names(
    call: &Value,
    account: &str,
    tags: &BTreeMap<String, BTreeMap<String, String>>,
) -> Vec<Asked> {
    let text = |name: &str| text(call, name);
    let region = call["region"].as_str().unwrap_or_default();
    let service = call["service"].as_str().unwrap_or_default();
    let operation = operation(call);
    let arn = |kind: &str, name: &str| match (kind, name.starts_with("arn:")) {
        (_, true) => name.to_owned(),
        ("global-cluster", _) => format!("arn:aws:rds::{account}:{kind}:{name}"),
        _ => format!("arn:aws:{service}:{region}:{account}:{kind}:{name}"),
    };
    let name = |kind: &str| match kind {
        "cluster" if operation == "CreateGlobalCluster" => text("SourceDBClusterIdentifier"),
        "cluster" if operation.ends_with("GlobalCluster") => text("TargetDbClusterIdentifier"),
        "cluster" => text("DBClusterIdentifier"),
        "db" => text("DBInstanceIdentifier"),
        "cluster-snapshot" if operation == "RestoreDBClusterFromSnapshot" => {
            text("SnapshotIdentifier")
        }
        "cluster-snapshot" if operation == "CopyDBClusterSnapshot" => {
            text("TargetDBClusterSnapshotIdentifier")
        }
        "cluster-snapshot" => text("DBClusterSnapshotIdentifier"),
        "snapshot" => text("SnapshotName"),
        "subgrp" => text("DBSubnetGroupName"),
        "global-cluster" => text("GlobalClusterIdentifier"),
        other => panic!("no name of a {other} is known"),
    };
    let kinds: &[&str] = match operation {
        "RestoreDBClusterFromSnapshot" => &["cluster", "cluster-snapshot", "subgrp"],
        "CreateDBInstance" => &["db", "cluster"],
        "ModifyDBCluster" | "DeleteDBCluster" | "FailoverDBCluster" => &["cluster"],
        "DeleteDBInstance" => &["db"],
        "DeleteSnapshot" => &["snapshot"],
        "CreateDBClusterSnapshot" => &["cluster-snapshot", "cluster"],
        "CopyDBClusterSnapshot"
        | "DeleteDBClusterSnapshot"
        | "ModifyDBClusterSnapshotAttribute" => &["cluster-snapshot"],
        "CreateGlobalCluster" | "SwitchoverGlobalCluster" | "FailoverGlobalCluster" => {
            &["global-cluster", "cluster"]
        }
        _ => &[],
    };
    let action = format!("{service}:{operation}");
    let of = |kind: &&str| {
        let own = tags.get(name(kind)).into_iter().flatten();
        let context =
            own.map(|(key, value)| (format!("aws:ResourceTag/{key}"), value.clone())).collect();
        Asked { action: action.clone(), resource: arn(kind, name(kind)), context }
    };
    let mut all: Vec<Asked> = kinds.iter().map(of).collect();
    if operation == "AssumeRole" {
        all.push(asked(&action, text("RoleArn")));
    } else if kinds.is_empty() {
        all.push(asked(&action, "*"));
    }
    // Who makes something with tags also tags it.
    if call["parameters"]["Tags.Tag.1.Key"].is_string() {
        all.push(Asked { action: "rds:AddTagsToResource".to_owned(), ..all[0].clone() });
    }
    if call["parameters"]["ManageMasterUserPassword"] == "true" {
        let secret =
            format!("arn:aws:secretsmanager:{region}:{account}:secret:rds!cluster-0123-abcdef");
        all.push(asked("secretsmanager:CreateSecret", &secret));
        all.push(asked("secretsmanager:TagResource", &secret));
    }
    // A copy under a key uses it in the name of whoever copies, by way of RDS.
    if operation == "CopyDBClusterSnapshot" && !text("KmsKeyId").is_empty() {
        all.push(asked("kms:DescribeKey", text("KmsKeyId")));
        let mut grant = asked("kms:CreateGrant", text("KmsKeyId"));
        grant.context.insert("kms:GrantIsForAWSResource".to_owned(), "true".to_owned());
        all.push(grant);
    }
    all
}

/// What a call of CodeBuild asks for: the project, or those of the builds that it names.
fn of_builds(call: &Value, account: &str) -> Vec<Asked> {
    let region = call["region"].as_str().unwrap_or_default();
    let action = format!("codebuild:{}", operation(call));
    let named = call["parameters"]["projectName"].as_str().map(str::to_owned);
    let builds = call["parameters"]["ids"].as_array().into_iter().flatten();
    let of_builds = builds.filter_map(|id| Some(id.as_str()?.split(':').next()?.to_owned()));
    let projects = named.into_iter().chain(of_builds);
    let arn = |project| format!("arn:aws:codebuild:{region}:{account}:project/{project}");
    projects.map(|project| asked(&action, &arn(project))).collect()
}

/// Records are asked for by their zone, which the path names; the emulator has no word for it.
fn of_zones(call: &Value) -> Vec<Asked> {
    let zone = text(call, "path").split("hostedzone/").nth(1).unwrap_or_default();
    let zone = zone.split('/').next().unwrap_or_default();
    let action = match call["method"].as_str() {
        Some("GET") => "route53:ListResourceRecordSets",
        _ => "route53:ChangeResourceRecordSets",
    };
    vec![asked(action, &format!("arn:aws:route53:::hostedzone/{zone}"))]
}

/// What an operation of S3 is allowed as, which is not always what it is called.
pub fn allowed_as(operation: &str) -> &str {
    match operation {
        "ListObjectsV2" | "HeadBucket" => "ListBucket",
        "HeadObject" => "GetObject",
        "ListObjectVersions" => "ListBucketVersions",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "GetBucketReplication" => "GetReplicationConfiguration",
        other => other,
    }
}

/// The path of a request names bucket and key.
fn of_s3(call: &Value) -> Vec<Asked> {
    let name = allowed_as(operation(call));
    let path = text(call, "path").trim_matches('/');
    let mut first = asked(&format!("s3:{name}"), &format!("arn:aws:s3:::{path}"));
    for header in ["If-Match", "If-None-Match"] {
        if let Some(tag) = call["parameters"][header].as_str() {
            first.context.insert(format!("s3:{}", header.to_lowercase()), tag.to_owned());
        }
    }
    // Whoever may not list is told 403 where there is nothing.
    let bucket = path.split('/').next().unwrap_or_default();
    let is_missed = name == "GetObject" && call["status"] == 404;
    let lists = is_missed.then(|| asked("s3:ListBucket", &format!("arn:aws:s3:::{bucket}")));
    std::iter::once(first).chain(lists).collect()
}

/// The tags that a recorded call gives to what it makes, with its name.
pub fn tags_of(call: &Value) -> Option<(String, BTreeMap<String, String>)> {
    let parameters = call["parameters"].as_object()?;
    let text = |name: &str| parameters.get(name)?.as_str();
    let name = text("TargetDBClusterSnapshotIdentifier")
        .or_else(|| text("DBInstanceIdentifier"))
        .or_else(|| text("DBClusterIdentifier"))?;
    let mut tags = BTreeMap::new();
    for number in 1.. {
        let Some(key) = text(&format!("Tags.Tag.{number}.Key")) else { break };
        let value = text(&format!("Tags.Tag.{number}.Value")).unwrap_or_default();
        tags.insert(key.to_owned(), value.to_owned());
    }
    (!tags.is_empty()).then(|| (name.to_owned(), tags))
}
