//! The shipped roles, held against every call that was recorded.

use std::collections::{BTreeMap, BTreeSet};

use muster_runbooks::action::{
    Action, Keeper,
    expiry::{DeleteExpired, MarkExpired},
};
use muster_tests::{
    emulator::{Emulator, accounts::VAULT, aws::ACCOUNT},
    policy::{Asked, Policy, Verdict, asked_by, tags_of},
};
use serde_json::Value;

/// The shipped roles, and what they were asked so far.
pub(super) struct Roles {
    expiry: Policy,
    drill: Policy,
    share: Policy,
    vault: Policy,
    vault_expiry: Policy,
    /// How many of the recorded calls were judged.
    seen: usize,
    /// How many changing calls each role had to allow, and to refuse.
    pub(super) allowed: u32,
    pub(super) refused: u32,
    tags: BTreeMap<String, BTreeMap<String, String>>,
}

/// A role by its name, its policy, and the actions that are carried out under it.
type Role<'a> = (&'a str, &'a Policy, &'a [&'a str]);

const EXPIRY: &[&str] = &["mark-expired", "delete-expired", "find-leaks"];
const DRILL: &[&str] = &[
    "choose-point",
    "restore-cluster",
    "rotate-password",
    "start-instance",
    "remove-instance",
    "remove-cluster",
    "find-leaks",
];

/// What only a daemon may do that is to rebuild a region.
const REBUILD: &[&str] = &[
    "run-build",
    "check-secrets",
    "restore-database",
    "start-database-instance",
    "make-global-cluster",
];

/// What Muster's own role does around the vault, and what the roles in there do.
const SHARE: &[&str] = &[
    "share-snapshot",
    "unshare-snapshot",
    "copy-to-vault",
    "mark-expired in a vault",
    "delete-expired in a vault",
];
const VAULT_FILLS: &[&str] = &["copy-to-vault"];
const VAULT_EMPTIES: &[&str] = &["mark-expired in a vault", "delete-expired in a vault"];

/// What an action is called where roles are told: what goes in a vault is let go by another role than what
/// goes on a side.
pub(super) fn duty(action: &Action) -> String {
    let name = action.spec().name;
    let is_in_vault = matches!(
        action,
        Action::MarkExpired(MarkExpired { at: Keeper::Vault })
            | Action::DeleteExpired(DeleteExpired { at: Keeper::Vault, .. })
    );
    if is_in_vault { format!("{name} in a vault") } else { name.to_owned() }
}

/// Whether the daemon's own role is for a duty, and no other.
pub(super) fn is_operates(duty: &str) -> bool {
    ![EXPIRY, DRILL, SHARE, REBUILD].iter().any(|duties| duties.contains(&duty))
}

/// Whether a duty is one of a rebuild.
pub(super) fn is_rebuilds(duty: &str) -> bool {
    REBUILD.contains(&duty)
}

/// The actions that `operate.json` allows.
pub(super) fn operate_allows() -> BTreeSet<String> {
    allows(include_str!("../../../../deploy/iam/operate.json"))
}

/// The actions that `rebuild.json` allows.
pub(super) fn rebuild_allows() -> BTreeSet<String> {
    allows(include_str!("../../../../deploy/iam/rebuild.json"))
}

fn allows(text: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(text).expect("a policy");
    let statements = policy["Statement"].as_array().expect("its statements");
    statements
        .iter()
        .flat_map(|one| {
            let action = &one["Action"];
            action.as_array().cloned().unwrap_or_else(|| vec![action.clone()])
        })
        .map(|action| action.as_str().expect("the name of an action").to_owned())
        .collect()
}

/// An export of Muster's.
const EXPORT: &str = "arn:aws:s3:::exports/muster/objects/shop/production/muster-r1-export-1.json";

impl Roles {
    pub(super) fn shipped() -> Roles {
        let read = |text| Policy::read(text).expect("a policy");
        Roles {
            expiry: read(include_str!("../../../../deploy/iam/expiry.json")),
            drill: read(include_str!("../../../../deploy/iam/drill.json")),
            share: read(include_str!("../../../../deploy/iam/share.json")),
            vault: read(include_str!("../../../../deploy/iam/vault.json")),
            vault_expiry: read(include_str!("../../../../deploy/iam/vault-expiry.json")),
            seen: 0,
            allowed: 0,
            refused: 0,
            tags: BTreeMap::new(),
        }
    }

    /// Whatever an action of a role calls the role allows; whatever another changes it does not.
    pub(super) async fn judge(&mut self, world: &Emulator, action: &str) {
        let fresh = world.recorded(self.seen).await;
        self.seen += fresh.len();
        for call in &fresh {
            self.tags.extend(tags_of(call));
            // Whoever took a role signs with keys that were made for it.
            let caller = call["caller"].as_str().unwrap_or_default();
            let (account, roles): (&str, &[Role]) = match caller {
                "muster" => (
                    ACCOUNT,
                    &[
                        ("expiry", &self.expiry, EXPIRY),
                        ("drill", &self.drill, DRILL),
                        ("share", &self.share, SHARE),
                    ],
                ),
                taken if taken.starts_with("ASIA") => (
                    VAULT,
                    &[
                        ("vault", &self.vault, VAULT_FILLS),
                        ("vault-expiry", &self.vault_expiry, VAULT_EMPTIES),
                    ],
                ),
                _ => continue,
            };
            let reads = ["Describe", "List", "Head", "GetObject", "BatchGet"];
            let reads = call["operation"]
                .as_str()
                .is_some_and(|name| reads.iter().any(|word| name.starts_with(word)));
            for (role, policy, names) in roles {
                let all = asked_by(call, account, &self.tags);
                if names.contains(&action) {
                    for asked in &all {
                        let verdict = policy.judge(asked);
                        assert_eq!(verdict, Verdict::Allowed, "{role}, {action}: {asked:?}");
                        self.allowed += u32::from(!reads);
                    }
                } else if !reads {
                    // AWS asks for everything that a call touches, and one refusal is enough.
                    let mut changes =
                        all.iter().filter(|asked| asked.action != "rds:AddTagsToResource");
                    let refuses = |asked: &Asked| policy.judge(asked) != Verdict::Allowed;
                    assert!(changes.any(refuses), "{role}, {action}: {all:?}");
                    self.refused += 1;
                }
            }
        }
    }

    /// What was built by hand is nobody's call.
    pub(super) async fn skip(&mut self, world: &Emulator) {
        self.seen += world.recorded(self.seen).await.len();
    }
}

/// Goal: the roles do not delete what they must not, whoever asks, even where another policy would allow
/// it; and no secret of an application is theirs.
/// Method: what a mistake in the code could ask for, against both, beside a policy that allows all.
#[test]
fn the_roles_deny_what_a_mistake_would_do() {
    let Roles { expiry, drill, share, vault, vault_expiry, .. } = Roles::shipped();
    let asked = |action: &str, resource: &str| muster_tests::policy::Asked {
        action: action.to_owned(),
        resource: format!("arn:aws:rds:us-east-1:123456789012:{resource}"),
        // Tags may have been copied by a tool.
        context: [("aws:ResourceTag/muster:drill".to_owned(), "restore-test".to_owned())].into(),
    };
    let of = |action: &str, resource: &str| muster_tests::policy::Asked {
        action: action.to_owned(),
        resource: resource.to_owned(),
        ..muster_tests::policy::Asked::default()
    };
    let denies = |policy: &Policy, action: &str, resource: &str| {
        let verdict = policy.judge(&asked(action, resource));
        assert!(matches!(verdict, Verdict::Denied(_)), "{action} {resource}: {verdict:?}");
    };
    for resource in ["cluster:orders-east", "cluster:muster", "cluster:muster-orders"] {
        denies(&drill, "rds:DeleteDBCluster", resource);
        denies(&drill, "rds:ModifyDBCluster", resource);
        denies(&expiry, "rds:DeleteDBCluster", resource);
    }
    denies(&drill, "rds:DeleteDBInstance", "db:orders-east-1");
    denies(&drill, "rds:DeleteDBClusterSnapshot", "cluster-snapshot:muster-r1-snapshot-1");
    denies(&drill, "rds:DeleteGlobalCluster", "global-cluster:orders");
    denies(&drill, "rds:FailoverGlobalCluster", "global-cluster:orders");
    denies(&expiry, "rds:DeleteDBCluster", "cluster:muster-drill-r1-restore-1");
    denies(&expiry, "rds:DeleteDBInstance", "db:muster-drill-r1-start-1");
    denies(&expiry, "rds:DeleteGlobalCluster", "global-cluster:orders");
    denies(&expiry, "rds:DeleteDBClusterSnapshot", "cluster-snapshot:by-hand");
    denies(&expiry, "rds:DeleteDBClusterSnapshot", "cluster-snapshot:rds:orders-2026-03-01");

    for (action, resource) in [
        (
            "elasticache:DeleteSnapshot",
            "arn:aws:elasticache:us-east-1:123456789012:snapshot:by-hand",
        ),
        (
            "elasticache:DeleteReplicationGroup",
            "arn:aws:elasticache:us-east-1:123456789012:replicationgroup:muster-sessions",
        ),
        ("s3:DeleteObject", "arn:aws:s3:::exports/muster/objects/shop/production/by-hand.json"),
        ("s3:DeleteObject", "arn:aws:s3:::exports/invoices/muster-r1-export-1.json"),
        ("s3:DeleteObjectVersion", EXPORT),
        ("s3:DeleteBucket", "arn:aws:s3:::exports"),
    ] {
        let verdict = expiry.judge(&of(action, resource));
        assert!(matches!(verdict, Verdict::Denied(_)), "{action} {resource}: {verdict:?}");
    }
    assert_eq!(expiry.judge(&of("s3:DeleteObject", EXPORT)), Verdict::Allowed);

    denies(&share, "rds:ModifyDBClusterSnapshotAttribute", "cluster-snapshot:by-hand");
    for (policy, action) in [
        (&vault, "rds:DeleteDBClusterSnapshot"),
        (&vault, "rds:ModifyDBClusterSnapshotAttribute"),
        (&vault, "rds:RestoreDBClusterFromSnapshot"),
        (&vault_expiry, "rds:ModifyDBClusterSnapshotAttribute"),
        (&vault_expiry, "rds:CopyDBClusterSnapshot"),
        // Of the application's account, whatever it is called.
        (&vault_expiry, "rds:DeleteDBClusterSnapshot"),
    ] {
        denies(policy, action, "cluster-snapshot:muster-r1-copy-to-vault-1");
    }
    let mut copy = asked("rds:DeleteDBClusterSnapshot", "");
    copy.resource = format!("arn:aws:rds:us-east-1:{VAULT}:cluster-snapshot:muster-r1-vault-1");
    assert_eq!(vault_expiry.judge(&copy), Verdict::Silent, "without our tag");
    copy.context.insert("aws:ResourceTag/muster:run".to_owned(), "r1".to_owned());
    assert_eq!(vault_expiry.judge(&copy), Verdict::Allowed);

    // The name alone is not enough: the tag is asked for by AWS itself.
    let mut bare = asked("rds:DeleteDBCluster", "cluster:muster-drill-r1-restore-1");
    assert_eq!(drill.judge(&bare), Verdict::Allowed);
    bare.context.clear();
    assert_eq!(drill.judge(&bare), Verdict::Silent);
    for policy in [&drill, &expiry] {
        let mut reads = asked("secretsmanager:GetSecretValue", "x");
        reads.resource = "arn:aws:secretsmanager:us-east-1:123456789012:secret:orders".to_owned();
        assert_eq!(policy.judge(&reads), Verdict::Silent);
    }
}
