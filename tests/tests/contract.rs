//! The API keeps what its own description promises.

use std::process::Command;

use muster_tests::{
    aws,
    daemon::{PEOPLE, Setup},
};

/// How many requests are made up for each operation.
const EXAMPLES: &str = "12";

/// Goal: a program that was written from `/v1/openapi.json` meets no answer that is not described
/// there, and nothing that anybody sends is answered with 500.
/// Method: a real daemon; schemathesis makes up requests to every operation, right ones and wrong ones,
/// always the same ones, and judges each answer. That a well-formed request may still be refused, such
/// as one for a run that is not there, is no fault.
#[tokio::test]
async fn the_api_answers_as_it_is_described() {
    let Some(python) = aws::python("the_api_answers_as_it_is_described") else { return };
    let folder = tempfile::tempdir().unwrap();
    let covetpy = format!("{}/../deploy/covetpy", env!("CARGO_MANIFEST_DIR"));
    let more =
        format!("applications: [{covetpy}/applications]\nschedules: {covetpy}/schedules.yaml\n");
    let mut setup = Setup::write(folder.path(), &more);
    // Nothing that a run does here may leave the machine.
    setup.env = aws::env("http://127.0.0.1:1");
    let daemon = setup.start().await;
    for (name, _, token) in PEOPLE.iter().filter(|(name, ..)| matches!(*name, "ana" | "eve")) {
        let asked = Command::new(&python)
            .args(["-m", "schemathesis.cli", "run"])
            .arg(format!("{}/v1/openapi.json", daemon.base()))
            .args(["-H", &format!("Authorization: Bearer {token}")])
            // One worker: two of them trip over each other inside its own libraries at times.
            .args(["--max-examples", EXAMPLES, "--workers", "1", "--request-timeout", "10"])
            .args(["--exclude-checks", "positive_data_acceptance"])
            .args(["--generation-deterministic", "--no-color"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&asked.stdout);
        let end: Vec<&str> = said.lines().rev().take(80).collect();
        let end = end.into_iter().rev().collect::<Vec<_>>().join("\n");
        assert!(asked.status.success(), "{name}: {end}{}", String::from_utf8_lossy(&asked.stderr));
        assert!(end.contains("passed"), "it asked something: {end}");
    }
}
