//! A daemon that is told something wrong does not start, says where, and leaves nothing behind.

use std::{fs, path::Path, process::Command};

use muster_tests::daemon::binary;

/// What is added to a sound configuration, the files beside it, and what is said.
type Mistake<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

/// What `muster serve` says, and how it ends.
fn serve(folder: &Path) -> (Option<i32>, String) {
    let said = Command::new(binary())
        .args(["serve", "--config"])
        .arg(folder.join("muster.yaml"))
        .env_remove("MUSTER_TEST_PAGER")
        .output()
        .unwrap();
    (said.status.code(), String::from_utf8_lossy(&said.stderr).into_owned())
}

/// Goal: a mistake in a file is bad use, named in its place, before a journal is opened or a port taken.
/// Method: the real binary over one mistake each; exit code 2, and no state directory.
#[test]
fn a_mistake_stops_the_start() {
    let covetpy = include_str!("../../deploy/covetpy/applications/covetpy.yaml");
    let moon = covetpy.replace("standby: us-west-2", "standby: us-moon-2");
    let table: &[Mistake<'_>] = &[
        ("applications: [gone.yaml]\n", &[], &["gone.yaml` cannot be read", "No such file"]),
        (
            "applications: [moon.yaml]\n",
            &[("moon.yaml", &moon)],
            &["moon.yaml:5:10: error: `us-moon-2` is not a region"],
        ),
        (
            "applications: [a.yaml, b.yaml]\n",
            &[("a.yaml", covetpy), ("b.yaml", covetpy)],
            &["b.yaml:2:7: error: application `covetpy` stands in", "a.yaml too [clash]"],
        ),
        (
            "receivers: [{ name: pager, url_from: MUSTER_TEST_PAGER }]\n",
            &[],
            &["receiver `pager`: the environment has no URL in `MUSTER_TEST_PAGER`"],
        ),
        (
            "receivers: [{ name: pager, kind: pagerduty, key_from: MUSTER_TEST_PAGER }]\n",
            &[],
            &["receiver `pager`: the environment has no routing key in `MUSTER_TEST_PAGER`"],
        ),
        ("listen: { http: nowhere }\n", &[], &["muster.yaml:2:17: error: "]),
        ("runbooks: [r.yaml]\n", &[("r.yaml", "name: [")], &["r.yaml:1:"]),
    ];
    for (more, files, wanted) in table {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("muster.yaml"), format!("state: state\n{more}")).unwrap();
        for (name, text) in *files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let (code, said) = serve(folder.path());
        assert_eq!(code, Some(2), "{more}{said}");
        for wanted in *wanted {
            assert!(said.contains(wanted), "{wanted}\n{said}");
        }
        assert!(!folder.path().join("state").exists(), "{more}nothing was opened");
    }
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = serve(folder.path());
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("muster.yaml` cannot be read"), "{said}");
}
