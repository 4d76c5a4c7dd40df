//! What the policies allow, wherever they stand.

use std::collections::BTreeMap;

use muster_tests::{
    emulator::ministack::ACCOUNT,
    policy::{Asked, Policy, Verdict, judge_together},
    terraform::resources,
};
use serde_json::{Value, json};

/// What only a drill does, and only to what is its own.
const TAKES_APART: [&str; 5] = [
    "rds:DeleteDBCluster",
    "rds:DeleteDBInstance",
    "rds:DeleteGlobalCluster",
    "rds:ModifyDBCluster",
    "rds:RemoveFromGlobalCluster",
];

/// The tag of a drill's own.
const DRILL: (&str, &str) = ("aws:ResourceTag/muster:drill", "restore-test");

/// Goal: no policy, of whatever kind, allows more than somebody meant.
/// Method: every statement of every policy in a plan or a state. Answers how many policies there were.
pub(super) fn none_is_too_wide(root: &Value) -> usize {
    let (mut policies, mut faults) = (0, Vec::new());
    for one in resources(root) {
        for place in ["policy", "assume_role_policy"] {
            let Some(text) = one["values"][place].as_str().filter(|text| text.starts_with('{'))
            else {
                continue;
            };
            policies += 1;
            let policy: Value = serde_json::from_str(text).expect("a policy is JSON");
            for statement in policy["Statement"].as_array().expect("it has statements") {
                if statement["Effect"] == "Allow" {
                    let address = one["address"].as_str().unwrap_or_default();
                    let found = too_wide(address, statement);
                    faults.extend(found.map(|why| format!("{address}: {why}: {statement}")));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    policies
}

fn too_wide(address: &str, statement: &Value) -> Option<&'static str> {
    let (actions, on) = (texts(&statement["Action"]), texts(&statement["Resource"]));
    let is_conditional = statement["Condition"].is_object();
    if statement["NotAction"] != Value::Null || statement["NotResource"] != Value::Null {
        return Some("it allows everything but something");
    }
    if actions.is_empty() || actions.iter().any(|action| action.contains('*')) {
        return Some("an action is a wildcard");
    }
    let is_public =
        statement["Principal"] == "*" || texts(&statement["Principal"]["AWS"]).contains(&"*");
    let is_marker = address == "module.muster.module.markers.aws_s3_bucket_policy.this"
        && actions == ["s3:GetObject"]
        && on.iter().all(|arn| arn.ends_with("/standby-serves"));
    if is_public && !is_marker {
        return Some("anybody may");
    }
    // In the policy of a key `*` is that key.
    let is_on_all = on.contains(&"*") && !address.contains("aws_kms_");
    if is_on_all && !is_conditional && !actions.iter().all(|action| only_looks(action)) {
        return Some("it changes whatever there is, or reads what is secret");
    }
    let is_drills = on.iter().all(|arn| arn.contains(":muster-drill-"))
        && statement["Condition"]["StringEquals"][DRILL.0] == DRILL.1;
    if actions.iter().any(|action| TAKES_APART.contains(action)) && !is_drills {
        return Some("it takes a cluster apart that is not a drill's");
    }
    None
}

/// Names and states, and never what is in something.
fn only_looks(action: &str) -> bool {
    let verb = action.split(':').nth(1).unwrap_or_default();
    let reads = ["Describe", "Get", "List"].iter().any(|word| verb.starts_with(word));
    let contents = ["GetObject", "GetObjectVersion", "GetSecretValue"];
    reads && !contents.contains(&verb)
}

fn texts(value: &Value) -> Vec<&str> {
    match value.as_array() {
        Some(list) => list.iter().filter_map(Value::as_str).collect(),
        None => value.as_str().into_iter().collect(),
    }
}

/// Every role's policies, by its name.
fn roles(root: &Value) -> BTreeMap<String, Vec<Policy>> {
    let all = resources(root);
    let of_kind = |kind: &'static str| {
        let muster = |one: &&&Value| {
            one["address"].as_str().is_some_and(|name| name.starts_with("module.muster."))
        };
        all.iter().filter(move |one| one["type"] == kind).filter(muster)
    };
    let mut roles = BTreeMap::<String, Vec<Policy>>::new();
    for bond in of_kind("aws_iam_role_policy_attachment") {
        let arn = &bond["values"]["policy_arn"];
        let policy = of_kind("aws_iam_policy").find(|one| one["values"]["arn"] == *arn);
        let text = policy.expect("what is attached is made")["values"]["policy"].as_str();
        let policy = Policy::read(text.expect("a policy")).expect("a policy that is understood");
        let role = bond["values"]["role"].as_str().expect("a role").to_owned();
        roles.entry(role).or_default().push(policy);
    }
    roles
}

/// Goal: the roles as they are made, out of several files each and narrowed to one account, do what they are for.
/// Method: a table of questions.
pub(super) fn roles_do_what_they_are_for(root: &Value) {
    let roles = roles(root);
    let names: Vec<&str> = roles.keys().map(String::as_str).collect();
    let all = [
        "muster",
        "muster-drill",
        "muster-expiry",
        "muster-look",
        "muster-on-event",
        "muster-watchdog",
    ];
    assert_eq!(names, all);
    let east = |name: &str| format!("arn:aws:rds:us-east-1:{ACCOUNT}:{name}");
    let west = |name: &str| format!("arn:aws:rds:us-west-2:{ACCOUNT}:{name}");
    let global = format!("arn:aws:rds::{ACCOUNT}:global-cluster:covetpy");
    let queue = |region: &str, name: &str| format!("arn:aws:sqs:{region}:{ACCOUNT}:{name}");
    let s3 = |path: &str| format!("arn:aws:s3:::{path}");
    let none: &[(&str, &str)] = &[];
    let own: &[(&str, &str)] = &[DRILL];
    let condition: &[(&str, &str)] = &[("s3:if-match", "tag")];
    let cluster = "rds:DeleteDBCluster";
    let snapshot = "rds:DeleteDBClusterSnapshot";
    let table = [
        ("muster", cluster, east("cluster:covetpy-us-east-1"), own, "denied"),
        ("muster-drill", cluster, east("cluster:covetpy-us-east-1"), own, "denied"),
        ("muster-expiry", cluster, east("cluster:covetpy-us-east-1"), own, "denied"),
        ("muster-watchdog", cluster, east("cluster:covetpy-us-east-1"), own, "denied"),
        ("muster-look", cluster, east("cluster:covetpy-us-east-1"), own, "silent"),
        ("muster-on-event", cluster, east("cluster:covetpy-us-east-1"), own, "silent"),
        ("muster-drill", cluster, west("cluster:muster-drill-r1-restore-1"), own, "allowed"),
        ("muster-drill", cluster, west("cluster:muster-drill-r1-restore-1"), none, "silent"),
        ("muster", cluster, west("cluster:muster-drill-r1-restore-1"), own, "allowed"),
        ("muster", cluster, west("cluster:muster-drill-r1-restore-1"), none, "silent"),
        ("muster-expiry", cluster, west("cluster:muster-drill-r1-restore-1"), own, "denied"),
        ("muster", "rds:DeleteGlobalCluster", global.clone(), own, "denied"),
        ("muster", "rds:RemoveFromGlobalCluster", global.clone(), own, "denied"),
        ("muster", "rds:FailoverGlobalCluster", global.clone(), none, "allowed"),
        ("muster", "rds:FailoverGlobalCluster", west("cluster:covetpy-us-west-2"), none, "allowed"),
        ("muster-drill", "rds:FailoverGlobalCluster", global, none, "denied"),
        ("muster", "rds:FailoverDBCluster", west("cluster:billing-us-west-2"), none, "silent"),
        (
            "muster",
            "rds:FailoverDBCluster",
            west("cluster:covetpy-us-west-2").replace("us-west-2:", "eu-west-1:"),
            none,
            "silent",
        ),
        ("muster", snapshot, west("cluster-snapshot:by-hand"), none, "denied"),
        ("muster", snapshot, west("cluster-snapshot:muster-r1-copy-1"), none, "allowed"),
        ("muster-expiry", snapshot, west("cluster-snapshot:muster-r1-copy-1"), none, "allowed"),
        ("muster-expiry", snapshot, west("cluster-snapshot:by-hand"), none, "denied"),
        ("muster", "s3:PutObject", s3("covetpy-muster-lease/lease"), condition, "allowed"),
        ("muster", "s3:PutObject", s3("covetpy-muster-lease/lease"), none, "denied"),
        ("muster", "s3:DeleteObject", s3("covetpy-muster-log/log/a"), none, "denied"),
        ("muster", "s3:PutObject", s3("covetpy-traffic-us-west-2/standby-serves"), none, "allowed"),
        (
            "muster",
            "s3:DeleteObject",
            s3("covetpy-traffic-us-west-2/standby-serves"),
            none,
            "allowed",
        ),
        ("muster", "s3:PutObject", s3("invoices/a"), none, "silent"),
        ("muster", "s3:GetObject", s3("invoices/a"), none, "silent"),
        ("muster", "sqs:ReceiveMessage", queue("us-west-2", "muster"), none, "allowed"),
        ("muster", "sqs:SendMessage", queue("us-west-2", "muster"), none, "denied"),
        (
            "muster",
            "sqs:GetQueueAttributes",
            queue("us-west-2", "muster-dead-letters"),
            none,
            "allowed",
        ),
        ("muster", "sqs:ReceiveMessage", queue("us-west-2", "muster-dead-letters"), none, "silent"),
        ("muster-on-event", "sqs:SendMessage", queue("us-east-1", "muster"), none, "allowed"),
        ("muster-on-event", "sqs:SendMessage", queue("us-west-2", "muster"), none, "allowed"),
        ("muster-on-event", "sqs:SendMessage", queue("us-west-2", "orders"), none, "silent"),
        (
            "muster-watchdog",
            "s3:GetObject",
            s3("covetpy-muster-lease/lease.heartbeat"),
            none,
            "allowed",
        ),
        (
            "muster-watchdog",
            "s3:PutObject",
            s3("covetpy-muster-lease/lease.heartbeat"),
            none,
            "denied",
        ),
        ("muster-look", "rds:DescribeDBClusters", "*".to_owned(), none, "allowed"),
        ("muster-look", "s3:GetObject", s3("covet-database-backups/a"), none, "allowed"),
        ("muster-look", "s3:GetObject", s3("invoices/a"), none, "silent"),
    ];
    let mut wrong = Vec::new();
    for (role, action, resource, context, wanted) in table {
        let context = context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let asked = Asked {
            action: action.to_owned(),
            resource: resource.clone(),
            context: context.collect(),
        };
        let found = match judge_together(&roles[role], &asked) {
            Verdict::Allowed => "allowed",
            Verdict::Denied(_) => "denied",
            Verdict::Silent => "silent",
        };
        if found != wanted {
            wrong.push(format!("{role}, {action} on {resource}: {found}, and not {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Goal: whoever gives a role one permission more says so here too.
pub(super) fn permissions_are_counted(outputs: &Value) {
    let roles = outputs["permissions"]["value"].as_object().expect("the permissions of roles");
    let counts: BTreeMap<&str, usize> = roles
        .iter()
        .map(|(role, actions)| (role.as_str(), actions.as_array().map_or(0, Vec::len)))
        .collect();
    let wanted = json!({
        "drill": 13, "expiry": 11, "look": 16, "on-event": 3, "operate": 53, "watchdog": 6,
    });
    assert_eq!(json!(counts), wanted);
}
