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

/// A line of the reference application in whose place a cache can be flushed.
const FLUSH: &str = "    # flush:";

const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "built by a project of another region",
        "      us-west-2: arn:aws:codebuild:us-west-2:123456789012:project/covetpy-infrastructure",
        "      us-west-2: arn:aws:codebuild:us-east-1:123456789012:project/covetpy-infrastructure",
    ),
    (
        "built by what is no project",
        "      us-west-2: arn:aws:codebuild:us-west-2:123456789012:project/covetpy-infrastructure",
        "      us-west-2: arn:aws:codebuild:us-west-2:123456789012:build/covetpy-infrastructure",
    ),
    (
        "a secret and a variable of ours given to a build",
        "    variables: { REGION: \"{region}\" }",
        "    variables: { DB_PASSWORD: none, MUSTER_DATABASES: mine }",
    ),
    ("two builds of one name", "  - name: deployment\n", "  - name: infrastructure\n"),
    (
        "rebuilt in the default subnets",
        "        subnet_group: covetpy-us-west-2-database",
        "        subnet_group: default",
    ),
    (
        "compared without a key",
        "# divergence: { tables: [{ table: public.users, key: id, written_at: created_at }] }",
        "divergence: { tables: [{ table: public.users }] }",
    ),
    (
        "compared by a statement",
        "# divergence: { tables: [{ table: public.users, key: id, written_at: created_at }] }",
        "divergence: { tables: [{ table: public.users, key: id; drop }] }",
    ),
    (
        "compared twice, and nothing",
        "# divergence: { tables: [{ table: public.users, key: id, written_at: created_at }] }",
        "divergence: { tables: [{ table: users, key: id }, { table: users, key: at }], rows: [] }",
    ),
    (
        "written at a statement",
        "# divergence: { tables: [{ table: public.users, key: id, written_at: created_at }] }",
        "divergence: { tables: [{ table: public.users, key: id, written_at: now() }] }",
    ),
    (
        "a key of a cache that is every key",
        FLUSH,
        "    flush: { prefixes: [\"\"], endpoints: { us-east-1: \"a:1\", us-west-2: \"b:1\" } }",
    ),
    (
        "a key of a cache twice",
        FLUSH,
        "    flush: { prefixes: [a, ab], endpoints: { us-east-1: \"a:1\", us-west-2: \"b:1\" } }",
    ),
    (
        "no key of a cache",
        FLUSH,
        "    flush: { prefixes: [], endpoints: { us-east-1: \"a:1\", us-west-2: \"b:1\" } }",
    ),
    (
        "a cache without a port",
        FLUSH,
        "    flush: { prefixes: [a], endpoints: { us-east-1: a, us-west-2: \"169.254.169.254:80\" } }",
    ),
    (
        "a cache on one side",
        FLUSH,
        "    flush: { prefixes: [a], endpoints: { us-east-1: \"a:1\" }, user: muster }",
    ),
    (
        "nothing to compare",
        "# divergence: { tables: [{ table: public.users, key: id, written_at: created_at }] }",
        "divergence: { tables: [] }",
    ),
    (
        "restore test in the default subnets",
        "subnet_group: covetpy-restore-test",
        "subnet_group: default",
    ),
    (
        "restore test behind nothing",
        "security_groups: [sg-0a1b2c3d4e5f60718]",
        "security_groups: []",
    ),
    ("restore test behind a name", "sg-0a1b2c3d4e5f60718", "web"),
    ("restore test without a class", "        instance_class: db.r6g.large\n", ""),
    ("restore test on a machine", "instance_class: db.r6g.large", "instance_class: r6g.large"),
    (
        "restore test in a third region",
        "      us-west-2:\n        subnet",
        "      eu-west-1:\n        subnet",
    ),
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
    ("no namespace", "namespace: covetpy-production", "namespace: ../kube-system"),
    ("cluster without its UID", "      us-west-2: a9b7c6d5", "      # us-west-2: a9b7c6d5"),
    ("exports without a prefix", "prefix: muster/objects", "prefix: /"),
    (
        "workload in one region",
        "      us-west-2: covetpy-us-west-2\n    # kubectl",
        "    # kubectl",
    ),
    (
        "workers of no kind",
        "    # replicas:",
        "    workers: [nightly, deployment/*, deployment/consumer, deployment/consumer]\n    # replicas:",
    ),
    (
        "restarts of what has none",
        "    # replicas:",
        "    workers: [deployment/b]\n    restart_after_failover: [cronjob/a, deployment/b]\n    # replicas:",
    ),
    (
        "workers that are a map",
        "    # replicas:",
        "    workers: { deployment/a: 1 }\n    # replicas:",
    ),
    ("objective without its unit", "rpo: 5m", "rpo: 5"),
    ("SQL in the clear", "sslmode: verify-full", "sslmode: disable"),
    ("SQL without an authority", "      ca_file: /etc/muster/rds-global-bundle.pem\n", ""),
    ("an authority that moves", "ca_file: /etc", "ca_file: etc"),
    ("a password in a file", "      sslmode:", "      password: hunter2\n      sslmode:"),
    (
        "a password for a name",
        "      sslmode:",
        "      user: reader\n      password_env: hunter2\n      sslmode:",
    ),
    ("a secret of one side", "        us-west-2: arn:aws:secretsm", "        # us-west-2: "),
    ("a secret that is none", ":secret:covetpy/muster", ":key:covetpy/muster"),
    (
        "an endpoint that hands out credentials",
        "      sslmode:",
        "      endpoints: { us-east-1: 169.254.169.254:80 }\n      sslmode:",
    ),
    ("a limit without end", "statement_limit: 2m", "statement_limit: 9h"),
    (
        "checks without SQL",
        "    sql:\n      database: covetpy\n",
        "    sq:\n      database: covetpy\n",
    ),
    ("a check that checks nothing", "        roles: [covetpy]\n", ""),
    (
        "two checks in one",
        "        roles: [covetpy]",
        "        roles: [covetpy]\n        extensions: [vector]",
    ),
    ("a check of two names", "name: roles", "name: users-are-there"),
    ("rows of no number", ", at_least: 1, within: 10% }", " }"),
    ("rows of no share", "within: 10%", "within: 10"),
    ("rows of no table", "table: public.users", "table: users; drop table users"),
    ("two statements", "select count(*) > 0", "select 1; select count(*) > 0"),
    ("a statement that writes", "select count(*) > 0", "delete"),
    ("nothing to compare with", "          equals: true\n", ""),
    ("the age of no canary", "        roles: [covetpy]", "        canary_age: { max: 5m }"),
    ("a canary in public", "    # canary: { schema: muster,", "    canary: { schema: public,"),
    (
        "a canary that is a flood",
        "    # canary: { schema: muster, every: 5s",
        "    canary: { schema: muster, every: 100ms",
    ),
    (
        "a canary of no schema",
        "    # canary: { schema: muster,",
        "    canary: { schema: \"my schema\",",
    ),
    ("no replication group", "us-east-1: covet-redis", "us-east-1: covet--redis"),
    (
        "a datastore of one side",
        "    rebuildable: true\n",
        "    rebuildable: true\n    global: ldgnf-covet\n",
    ),
    ("no datastore", "    rebuildable: true\n", "    rebuildable: true\n    global: -covet\n"),
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
