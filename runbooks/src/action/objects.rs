//! Actions on the objects of a namespace: they are exported to a bucket, and created again out of it.

use jiff::Timestamp;

use super::{ComponentKind, Description, On, Role, action};
use crate::application::{Component, Workload};
use crate::shell::command;

action! {
    /// Writes the objects of a namespace into a bucket, without what a Secret holds.
    ExportObjects = "export-objects", Named, on: &[ComponentKind::Workloads], needs_active: false, global: false,
    with {
        /// The side whose cluster is read.
        at: Role,
        /// The side whose bucket is written.
        to: Role,
    }
    gives {
        /// The ARN of the object that holds them.
        export: String,
        /// When the API server was asked, by its own clock.
        data_time: Timestamp,
        /// How many objects it holds.
        objects: u32,
        /// What could not be read and so is not in it; empty when it is whole.
        left_out: String,
    }
}

impl ExportObjects {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let (from, to) = (on.region(self.at), on.region(self.to));
        let (context, namespace) = (context(on, self.at), namespace(on));
        let target = format!("s3://{}/{}", bucket(on, self.to), key(on, on.token));
        Description {
            effect: vec![
                format!("kubernetes {from}: list the objects of {namespace} in {context} (reads)"),
                format!("s3 {to}: PutObject {target}"),
            ],
            by_hand: vec![command!(
                "kubectl --context {} --namespace {} get all,configmap,ingress -o json \
                 | aws s3 cp --region {} - {}",
                context,
                namespace,
                to,
                target
            )],
            permissions: vec![
                "s3:GetObject".to_owned(),
                // Without it S3 answers 403 for an object that is not there yet, and not 404.
                "s3:ListBucket".to_owned(),
                "s3:PutObject".to_owned(),
            ],
        }
    }
}

action! {
    /// Creates the objects of an export that are missing in a cluster. What exists stays as it is.
    ApplyObjects = "apply-objects", SetLike, on: &[ComponentKind::Workloads], needs_active: false, global: false,
    with {
        /// The ARN of the export.
        export: String,
        /// The side that is written: its cluster, out of its bucket.
        at: Role,
    }
    gives {
        /// How many objects of the export are there now.
        present: u32,
        /// The Secrets that the application needs and that an export never holds.
        secrets: String,
    }
}

impl ApplyObjects {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let region = on.region(self.at);
        let (context, namespace) = (context(on, self.at), namespace(on));
        let path = self.export.strip_prefix("arn:aws:s3:::").unwrap_or(&self.export);
        Description {
            effect: vec![
                format!("s3 {region}: GetObject {path} (reads)"),
                format!("kubernetes {region}: create what is missing in {namespace} of {context}"),
            ],
            by_hand: vec![command!(
                "aws s3 cp --region {} {} - | kubectl --context {} create -f -",
                region,
                format!("s3://{path}"),
                context
            )],
            permissions: vec!["s3:GetObject".to_owned(), "s3:ListBucket".to_owned()],
        }
    }
}

/// The key of an export: one for each token, so that writing it again writes the same object.
pub fn key(on: &On<'_>, token: &str) -> String {
    format!("{}{token}.json", folder(on))
}

/// What the keys of a workload's exports begin with, and nothing else of its bucket does.
pub fn folder(on: &On<'_>) -> String {
    let prefix = workload(on).map_or("(no prefix)", |workload| &workload.exports.prefix);
    let name = workload(on).map_or("(no workload)", |workload| workload.name.as_str());
    format!("{prefix}/{}/{name}/", on.application.name)
}

fn workload<'a>(on: &On<'a>) -> Option<&'a Workload> {
    on.component.and_then(Component::workload)
}

fn context<'a>(on: &On<'a>, role: Role) -> &'a str {
    workload(on)
        .map_or("(no context)", |workload| super::workload::context(workload, on.region(role)))
}

fn namespace<'a>(on: &On<'a>) -> &'a str {
    workload(on).map_or("(no namespace)", |workload| &workload.namespace)
}

/// The bucket of a workload's exports on a side.
pub(super) fn bucket<'a>(on: &On<'a>, role: Role) -> &'a str {
    workload(on)
        .and_then(|workload| workload.exports.buckets.get(on.region(role).as_str()))
        .map_or("(no bucket)", String::as_str)
}
