//! Another account that keeps copies: what is wrong with one, and what a plan makes of it.

use muster_runbooks::{
    application::Application,
    plan::{Binding, Plan},
    runbook::library::Library,
};

use super::print::{self, COVETPY, request};

/// The reference application with the vault that it shows in a comment.
fn with_vault() -> String {
    let start = COVETPY.find("    # vault:\n").expect("the reference shows a vault");
    let lines = COVETPY[start..]
        .lines()
        .take_while(|line| line.ends_with("# vault:") || line.starts_with("    #   "));
    let shown: String = lines.map(|line| format!("{line}\n")).collect();
    COVETPY.replacen(&shown, &shown.replace("    # ", "    "), 1)
}

fn application() -> Application {
    Application::parse("covetpy.yaml", &with_vault()).expect("the vault that is shown is sound")
}

/// Goal: a vault that would keep nothing, or whose copies could not be made, is found by day.
/// Method: one change to the vault of the reference application each; the snapshot is the table.
#[test]
fn each_mistake_is_found_in_its_place() {
    let sound = with_vault();
    assert_eq!(print::findings(&Application::check("covetpy.yaml", &sound).findings), "");
    let mut table = String::new();
    for (name, from, to) in MISTAKES {
        assert!(sound.contains(from), "{name}: `{from}` is not in the reference application");
        let found = Application::check("x", &sound.replacen(from, to, 1)).findings;
        table += &format!("# {name}\n{}\n", print::findings(&found));
    }
    insta::assert_snapshot!(table);
}

const ROLE: &str = "      role: arn:aws:iam::999988887777:role/muster-vault\n";
const KEY: &str =
    "      key: arn:aws:kms:us-west-2:999988887777:key/7d1f0c2b-55aa-4e0e-9c3d-2f6b8a1e4d70\n";

const MISTAKES: &[(&str, &str, &str)] = &[
    ("an account without quotes", "account: \"999988887777\"", "account: 999988887777"),
    ("an account too short", "account: \"999988887777\"", "account: \"99998888777\""),
    ("an account with a name", "account: \"999988887777\"", "account: \"our-backups1\""),
    ("the account itself", "account: \"999988887777\"", "account: \"123456789012\""),
    ("no account", "      account: \"999988887777\"\n", ""),
    ("no key", KEY, ""),
    ("a key of another region", "kms:us-west-2:9999", "kms:us-east-1:9999"),
    (
        "a key of the application's account",
        "kms:us-west-2:999988887777",
        "kms:us-west-2:123456789012",
    ),
    ("a key without an ARN", "arn:aws:kms:us-west-2:999988887777:key/7d1f", "alias/7d1f"),
    ("no role", ROLE, ""),
    (
        "a role of another account",
        "iam::999988887777:role/muster-vault\n",
        "iam::123456789012:role/m\n",
    ),
    ("a user for a role", ":role/muster-vault\n", ":user/muster-vault\n"),
    ("a role that fills and empties", "role/muster-vault-expiry", "role/muster-vault"),
    (
        "a third region",
        "    vault:\n      account: \"999988887777\"\n      region: us-west-2",
        "    vault:\n      account: \"999988887777\"\n      region: eu-west-1",
    ),
    ("an id for its name", "MUSTER_VAULT_EXTERNAL_ID", "hunter2-external"),
    ("an unknown key", "external_id_env:", "external_id:"),
];

/// Goal: a failover does not keep copies from the vault: they start from the snapshot in its region.
/// Method: the nightly backup and the expiry of the same application, served from home and from the other
/// side; the plans, as text.
#[test]
fn a_plan_copies_from_the_side_of_the_vault() {
    let application = application();
    let mut plans = String::new();
    for (name, home) in
        [("daily-backup", true), ("daily-backup", false), ("expire-recovery-points", true)]
    {
        let runbook = Library::shipped().get(&name.parse().unwrap()).unwrap().clone();
        let (one, other) = (application.home.clone(), application.standby.clone());
        let (active, standby) = if home { (one, other) } else { (other, one) };
        let request = request(&runbook, Some(&application));
        let binding = Binding { application: application.clone(), active, standby };
        let plan = Plan::make(&runbook, &request, Some(binding)).unwrap();
        plans += &format!("{}\n", print::plan(&plan));
    }
    insta::assert_snapshot!(plans);
}

/// Goal: where no role may delete, no step would.
#[test]
fn nothing_is_deleted_without_a_role() {
    let mut application = application();
    application.databases[0].vault.as_mut().unwrap().expiry_role = None;
    let runbook =
        Library::shipped().get(&"expire-recovery-points".parse().unwrap()).unwrap().clone();
    let request = request(&runbook, Some(&application));
    let plan = Plan::make(&runbook, &request, Some(print::at_home(application))).unwrap();
    let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert!(ids.contains(&"mark-vault-main") && !ids.contains(&"delete-vault-main"), "{ids:?}");
}
