//! The daemon's role as Terraform makes it, held against everything that a daemon really calls.

use std::collections::{BTreeMap, BTreeSet};

use muster_tests::{
    emulator::{
        EAST, WEST,
        aws::{ACCOUNT, cluster_arn},
    },
    policy::{Asked, Policy, Verdict, asked_by, judge_together, tags_of},
    stage::{AWAY, HOME, MARKERS, Stage},
    terraform::{Terraform, resources},
};
use serde_json::{Value, json};

use super::{backup::next_run, failover};

const NIGHTLY: &str = "
- { id: nightly, runbook: daily-backup, application: shop, cron: \"0 2 * * *\", catch_up: run-once }
";

/// Where neither side is.
const THIRD: &str = "eu-central-1";

const EXAMPLE: &str = "examples/shop";

/// The policies of the daemon's role, for the application on a stage. `None`, and a skip, without Terraform.
async fn operate(stage: &Stage) -> Option<Vec<Policy>> {
    let mut terraform = Terraform::start().await?;
    terraform.reach_at(&stage.world.aws_url());
    terraform.write(EXAMPLE, &root(stage));
    terraform.must(EXAMPLE, &["init", "-input=false", "-no-color"]).await;
    let policies = "-target=module.muster.aws_iam_policy.this";
    terraform.must(EXAMPLE, &["plan", "-out=plan", policies, "-input=false", "-no-color"]).await;
    let plan = terraform.must(EXAMPLE, &["show", "-json", "plan"]).await;
    let plan: Value = serde_json::from_str(&plan).expect("the plan is JSON");
    let all = resources(&plan["planned_values"]["root_module"]);
    let of_role = |one: &&Value| {
        let address = one["address"].as_str().unwrap_or_default();
        address.starts_with("module.muster.aws_iam_policy.this[\"operate-")
    };
    let texts = all.into_iter().filter(of_role).map(|one| one["values"]["policy"].as_str());
    let read = |text: Option<&str>| {
        Policy::read(text.expect("known before it is made")).expect("a policy")
    };
    Some(texts.map(read).collect())
}

/// What somebody writes who deploys Muster for the shop.
fn root(stage: &Stage) -> Value {
    let shop = &stage.application;
    let database = &shop["databases"][0];
    let provider = |alias: &str, region: &str| json!({ "alias": alias, "region": region });
    let balancer =
        |address: &str| json!({ "dns_name": address, "zone_id": "Z0123456789BALANCERS" });
    json!({
        "terraform": { "required_providers": { "aws": { "source": "hashicorp/aws", "version": "~> 5.100" } } },
        "provider": { "aws": [provider("primary", EAST), provider("standby", WEST), provider("third", THIRD)] },
        "module": { "muster": {
            "source": "../../modules/muster",
            "providers": { "aws.primary": "aws.primary", "aws.standby": "aws.standby", "aws.third": "aws.third" },
            "bucket_prefix": "shop",
            "trusted": { "operate": { "services": ["ec2.amazonaws.com"] } },
            "protected": {
                "clusters": ["orders-east", "orders-west"],
                "global_clusters": ["orders"],
                "buckets": ["files-east", "files-west"],
                "keys": [database["copy_keys"][EAST], database["copy_keys"][WEST]],
                "zones": [shop["traffic"]["zone"]],
            },
            "traffic": {
                "zone_id": shop["traffic"]["zone"], "name": shop["traffic"]["name"], "marker": "moved",
                "primary": balancer(HOME), "standby": balancer(AWAY),
            },
            "on_event_zip": "none", "watchdog_zip": "none", "watchdog_environment": {},
            "alarms": false, "alarm_actions": { "primary": [], "standby": [], "third": [] },
        } },
    })
}

/// Goal: a daemon under the role that Terraform makes for it is refused nothing that it needs, and could delete no
/// cluster.
/// Method: the role planned for the shop's names alone; a night's backup and a failover, in calm and forced; every call
/// that reached AWS with the daemon's credentials is judged, what it does for itself among them.
#[tokio::test]
async fn the_role_as_it_is_made_is_enough_and_deletes_no_cluster() {
    for (manner, promotes) in
        [("graceful", "rds:SwitchoverGlobalCluster"), ("forced", "rds:FailoverGlobalCluster")]
    {
        let Some(mut stage) = Stage::as_deployed(NIGHTLY, THIRD).await else { return };
        let Some(policies) = operate(&stage).await else { return };
        assert_eq!(policies.len(), 4, "what it does, never does, looks at, and does for itself");

        let backup = next_run(&mut stage, "nightly", 2).await;
        assert_eq!(backup["status"], "succeeded", "{backup:#}");
        let run = stage.ask("ana", "moved", failover(manner)).await;
        let view = stage.carry(&run, &["ben", "dan"]).await;
        assert_eq!(view["status"], "succeeded", "{view:#}");

        let asked = asked_for(&stage).await;
        let refused: BTreeSet<String> = asked
            .iter()
            .filter_map(|asked| match judge_together(&policies, asked) {
                Verdict::Allowed => None,
                verdict @ (Verdict::Silent | Verdict::Denied(_)) => {
                    Some(format!("{asked:?}: {verdict:?}"))
                }
            })
            .collect();
        assert!(refused.is_empty(), "{manner}: {refused:#?}");
        let is_asked = |action: &str, resource: &str| {
            asked.iter().any(|one| one.action == action && one.resource.contains(resource))
        };
        for (action, resource) in [
            ("rds:CreateDBClusterSnapshot", ":cluster:orders-east"),
            ("rds:CopyDBClusterSnapshot", ":us-west-2:"),
            ("kms:CreateGrant", ":us-west-2:"),
            ("s3:PutObject", MARKERS),
            ("s3:PutObject", "shop-muster-lease/lease"),
            ("s3:PutObject", "shop-muster-lease/lease.heartbeat"),
            ("s3:PutObject", "shop-muster-log/log/"),
            ("s3:PutObject", "shop-by-hand-us-east-1/by-hand/"),
            ("s3:PutObject", "shop-by-hand-us-west-2/freezes/"),
            (promotes, ":global-cluster:orders"),
        ] {
            assert!(
                is_asked(action, resource),
                "{manner}: nobody asked for {action} on {resource}"
            );
        }
        deletes_no_cluster(&policies);
    }
}

/// Everything that the daemon asked AWS for, each once.
async fn asked_for(stage: &Stage) -> Vec<Asked> {
    let mut tags = BTreeMap::new();
    let mut all = BTreeMap::new();
    for call in stage.world.recorded(0).await {
        tags.extend(tags_of(&call));
        if call["caller"] == "muster" {
            let asked = asked_by(&call, ACCOUNT, &tags);
            all.extend(asked.into_iter().map(|asked| (format!("{asked:?}"), asked)));
        }
    }
    all.into_values().collect()
}

/// Whatever tags a tool has copied onto a cluster.
fn deletes_no_cluster(policies: &[Policy]) {
    let clusters = [cluster_arn(EAST, "orders-east"), cluster_arn(WEST, "orders-west")];
    let global = format!("arn:aws:rds::{ACCOUNT}:global-cluster:orders");
    for (action, resource) in [
        ("rds:DeleteDBCluster", &clusters[0]),
        ("rds:DeleteDBCluster", &clusters[1]),
        ("rds:DeleteGlobalCluster", &global),
        ("rds:RemoveFromGlobalCluster", &global),
    ] {
        let tag = ("aws:ResourceTag/muster:drill".to_owned(), "restore-test".to_owned());
        for context in [BTreeMap::new(), BTreeMap::from([tag])] {
            let (action, resource) = (action.to_owned(), resource.clone());
            let asked = Asked { action, resource, context };
            let verdict = judge_together(policies, &asked);
            assert!(matches!(verdict, Verdict::Denied(_)), "{asked:?}: {verdict:?}");
        }
    }
}
