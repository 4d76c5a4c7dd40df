//! `deploy/terraform`: it is sound, it can be made and taken away, and allows no more than it says.

mod figures;
mod rights;

use muster_runbooks::{action::build::Databases, application::build::DATABASES};
use muster_tests::{
    emulator::ministack::{Ministack, VERSION},
    terraform::{Terraform, resources},
};
use serde_json::{Value, json};

const MADE: &str = "examples/test";
const PLANNED: &str = "examples/two-regions";
const ALONE: &str = "examples/one-region";

/// Goal: nobody finds out at two in the morning that the environment cannot be rebuilt for a typing error.
/// Method: the formatter and the validator, for each module and example. `muster` alone has no providers of its own
/// and is validated as a part of the examples.
#[tokio::test]
async fn everything_is_formatted_and_valid() {
    let Some(terraform) = Terraform::start().await else { return };
    terraform.must(".", &["fmt", "-check", "-recursive", "-diff"]).await;
    let mut modules = terraform.list("modules");
    modules.retain(|module| module != "modules/muster");
    let examples = terraform.list("examples");
    assert!(modules.len() >= 5 && examples.len() == 3, "{modules:?} {examples:?}");
    for module in modules.iter().chain(&examples) {
        terraform.must(module, &["init", "-backend=false", "-input=false", "-no-color"]).await;
        terraform.must(module, &["validate", "-no-color"]).await;
    }
}

/// Goal: what is described is what comes about: a second plan finds nothing to do, and all of it goes again. The roles
/// allow what they are for and nothing beside it.
/// Method: apply, plan and destroy against the second emulator; what stands in the state in between is judged.
#[tokio::test]
async fn what_is_made_stays_as_it_was_made_and_goes_again() {
    let Some(mut terraform) = Terraform::start().await else { return };
    let Some(zip) = terraform.function().await else { return };
    let Some(stack) = Ministack::start().await else { return };
    terraform.reach(&stack);
    let values =
        [("zip", &*zip), ("engine_version", VERSION), ("database_password", "only-for-tests")];
    for (name, value) in values {
        terraform.set(name, value);
    }
    terraform.must(MADE, &["init", "-input=false", "-no-color"]).await;
    terraform.must(MADE, &["apply", "-auto-approve", "-input=false", "-no-color"]).await;

    let again = ["plan", "-detailed-exitcode", "-input=false", "-no-color"];
    let again = terraform.run(MADE, &again).await;
    assert_eq!(again.code, Some(0), "a second plan is not clean: {}", again.all);

    let state: Value = serde_json::from_str(&terraform.must(MADE, &["show", "-json"]).await)
        .expect("the state is JSON");
    let root = &state["values"]["root_module"];
    let policies = rights::none_is_too_wide(root);
    assert!(policies > 45, "{policies} policies");
    rights::roles_do_what_they_are_for(root);
    rights::permissions_are_counted(&state["values"]["outputs"]);
    the_marker_moves_users(root);
    the_lease_stays_one(root);

    terraform.must(MADE, &["destroy", "-auto-approve", "-input=false", "-no-color"]).await;
    assert_eq!(terraform.must(MADE, &["state", "list"]).await.trim(), "");
}

/// Goal: what the emulator cannot keep is right in the plan: the Kubernetes clusters, the cache, the observer and the
/// alarms; and the figures of the reference environment are those of its guide.
/// Method: a plan of the whole example, which makes nothing; its JSON against tables.
#[tokio::test]
async fn the_whole_example_has_the_figures_of_the_guide() {
    let Some(mut terraform) = Terraform::start().await else { return };
    let Some(zip) = terraform.function().await else { return };
    let Some(stack) = Ministack::start().await else { return };
    terraform.reach(&stack);
    let per_region = |kind: &str, name: &str| {
        let arn = |region: &str| format!("arn:aws:{kind}:{region}:000000000000:{name}");
        json!({ "primary": [arn("us-east-1")], "standby": [arn("us-west-2")], "third": [arn("eu-central-1")] })
    };
    let values = [
        ("zone_id", json!("Z0123456789COVETPYAB")),
        (
            "certificate_arns",
            json!({ "primary": "arn:aws:acm:us-east-1:000000000000:certificate/a",
            "standby": "arn:aws:acm:us-west-2:000000000000:certificate/b" }),
        ),
        ("database_password", json!("only-for-tests")),
        ("cache_token", json!("only-for-tests-0123")),
        ("jwt_rotation_arn", json!("arn:aws:lambda:us-east-1:000000000000:function:rotate-jwt")),
        ("operators", json!(["192.0.2.0/24"])),
        ("operator_arns", json!(["arn:aws:iam::000000000000:role/operators"])),
        ("on_event_zip", json!(zip)),
        ("watchdog_zip", json!(zip)),
        ("watchdog_environment", json!({ "MUSTER_WATCHDOG": "test" })),
        ("alarm_actions", per_region("sns", "on-call")),
        ("observer", observer()),
    ];
    for (name, value) in &values {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        terraform.set(name, &text);
    }
    terraform.must(PLANNED, &["init", "-input=false", "-no-color"]).await;
    terraform.must(PLANNED, &["plan", "-out=plan", "-input=false", "-no-color"]).await;
    let plan: Value =
        serde_json::from_str(&terraform.must(PLANNED, &["show", "-json", "plan"]).await)
            .expect("the plan is JSON");
    let root = &plan["planned_values"]["root_module"];
    rights::none_is_too_wide(root);
    figures::are_the_guides(root);
    figures::alarms_wake_somebody(root);
}

/// Goal: a side is built from nothing and alone, and where a recovery point is to be brought back nothing of its name
/// stands in its way.
/// Method: a plan for each word that a build is told about the databases.
#[tokio::test]
async fn a_side_is_built_alone() {
    let Some(mut terraform) = Terraform::start().await else { return };
    let Some(stack) = Ministack::start().await else { return };
    terraform.reach(&stack);
    let values = [
        ("region", json!("us-west-2")),
        ("availability_zones", json!(["us-west-2a", "us-west-2b", "us-west-2c"])),
        ("operators", json!(["192.0.2.0/24"])),
        ("cache_token", json!("only-for-tests-0123")),
        ("certificate_arn", json!("arn:aws:acm:us-west-2:000000000000:certificate/b")),
        ("zone_id", json!("Z0123456789COVETPYAB")),
    ];
    for (name, value) in &values {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        terraform.set(name, &text);
    }
    terraform.must(ALONE, &["init", "-input=false", "-no-color"]).await;
    for (word, clusters) in [(Databases::Joined, 1), (Databases::Restored, 0)] {
        let given = format!("databases={word}");
        let plan = ["plan", "-out=plan", "-input=false", "-no-color", "-var", &given];
        terraform.must(ALONE, &plan).await;
        let plan: Value =
            serde_json::from_str(&terraform.must(ALONE, &["show", "-json", "plan"]).await)
                .expect("the plan is JSON");
        let root = &plan["planned_values"]["root_module"];
        rights::none_is_too_wide(root);
        let count =
            |kind: &str| resources(root).into_iter().filter(|one| one["type"] == kind).count();
        assert_eq!(count("aws_rds_cluster"), clusters, "{word}");
        assert_eq!(count("aws_rds_cluster_instance"), 2 * clusters, "{word}");
        assert_eq!(count("aws_eks_cluster"), 1, "{word}");
        let subnets = held(root, "module.environment.aws_db_subnet_group.this");
        assert_eq!(subnets["name"], "covetpy-us-west-2-database", "the application's file says so");
    }
    let spec = include_str!("../../deploy/terraform/examples/one-region/buildspec.yml");
    assert!(spec.contains(&format!("databases=${DATABASES}")), "{spec}");
}

fn observer() -> Value {
    json!({
        "image": "000000000000.dkr.ecr.eu-central-1.amazonaws.com/muster:1",
        "image_repository_arn": "arn:aws:ecr:eu-central-1:000000000000:repository/muster",
        "writer_image": "000000000000.dkr.ecr.eu-central-1.amazonaws.com/shell:1",
        "applications": [{
            "name": "covetpy", "control": "https://www.example.org/",
            "sees": { "us-east-1": "https://us-east-1.app.covetpy.example/health/ready",
                "us-west-2": "https://us-west-2.app.covetpy.example/health/ready" },
        }],
        "key_secret_arn": "arn:aws:secretsmanager:eu-central-1:000000000000:secret:muster/observer-a1b2c3",
        "vpc_id": "vpc-0a1b2c3d4e5f60718",
        "task_subnets": ["subnet-0a1b2c3d4e5f60718"],
        "balancer_subnets": ["subnet-0a1b2c3d4e5f60719", "subnet-0a1b2c3d4e5f6071a"],
        "certificate_arn": "arn:aws:acm:eu-central-1:000000000000:certificate/c",
        "asked_from": ["192.0.2.10/32"],
    })
}

/// What one resource holds, by its address.
///
/// # Panics
///
/// When it is not there.
fn held<'a>(root: &'a Value, address: &str) -> &'a Value {
    let found = resources(root).into_iter().find(|one| one["address"] == address);
    &found.unwrap_or_else(|| panic!("there is no {address}"))["values"]
}

/// Users move because an object exists in the standby's region, and for no other reason (facts §5.3).
fn the_marker_moves_users(root: &Value) {
    let check = held(root, "module.muster.aws_route53_health_check.marker[0]");
    assert_eq!(check["invert_healthcheck"], true, "no object means that the primary serves");
    assert_eq!(check["type"], "HTTPS");
    assert_eq!(check["resource_path"], "/standby-serves");
    assert!(check["fqdn"].as_str().is_some_and(|host| host.contains("s3.us-west-2.")), "{check}");
    let primary = held(root, "module.muster.aws_route53_record.primary[0]");
    let standby = held(root, "module.muster.aws_route53_record.standby[0]");
    assert_eq!(primary["failover_routing_policy"][0]["type"], "PRIMARY");
    assert_eq!(primary["health_check_id"], check["id"]);
    assert_eq!(standby["failover_routing_policy"][0]["type"], "SECONDARY");
    assert_eq!(standby["health_check_id"].as_str().unwrap_or_default(), "", "it is always well");
    for record in [primary, standby] {
        assert_eq!(record["alias"][0]["evaluate_target_health"], false, "only the marker moves");
    }
    let rules = resources(root).into_iter().filter(|one| {
        one["type"] == "aws_s3_bucket_lifecycle_configuration"
            && one["address"].as_str().is_some_and(|name| name.contains("module.muster."))
    });
    assert_eq!(rules.count(), 0, "a lost marker, and a lost lease, are lost in silence");
}

/// A replicated lease is two; what was shipped stays.
fn the_lease_stays_one(root: &Value) {
    let policy = &held(root, "module.muster.module.lease.aws_s3_bucket_policy.this")["policy"];
    let policy = policy.as_str().expect("a policy");
    assert!(policy.contains("NeverReplicated") && policy.contains("NobodyElseWrites"), "{policy}");
    let versions = held(root, "module.muster.module.lease.aws_s3_bucket_versioning.this");
    assert_eq!(versions["versioning_configuration"][0]["status"], "Enabled");
    let lock =
        held(root, "module.muster.module.log.aws_s3_bucket_object_lock_configuration.this[0]");
    assert_eq!(lock["rule"][0]["default_retention"][0]["mode"], "GOVERNANCE");
}
