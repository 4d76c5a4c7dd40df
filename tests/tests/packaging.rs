//! What a host or a cluster gets: the image and the units.

use std::{fs, process::Command};

use muster_tests::{emulator::skip, manifests::deploy};

/// The exposure that `systemd-analyze security` may find, in tenths: what its notes say.
const EXPOSURE_MAX: &str = "11";

fn text(path: &str) -> String {
    fs::read_to_string(deploy(path)).expect("a shipped file can be read")
}

/// Goal: an image that holds the binary and what it links, built from bases that are named for good, and that Kubernetes can
/// see is not run by root.
/// Method: the instructions of the Dockerfile, stage by stage.
#[test]
fn the_image_holds_nothing_to_break_in_with() {
    let file = text("image/Dockerfile");
    let instructions: Vec<(&str, &str)> = file
        .lines()
        .filter(|line| !line.starts_with(['#', ' ']))
        .filter_map(|line| line.split_once(' '))
        .collect();
    let of = |word: &str| -> Vec<&str> {
        instructions.iter().filter(|(known, _)| *known == word).map(|(_, rest)| *rest).collect()
    };
    let [build, last] = of("FROM")[..] else { panic!("two stages: {:?}", of("FROM")) };
    assert_eq!(last, "scratch", "no shell, no package manager");
    assert_eq!(build, "rust:${RUST}-slim-bookworm AS build");
    let manifest = include_str!("../../Cargo.toml");
    let needs = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let needs = needs.expect("a version").trim_matches('"');
    let pinned = of("ARG")[0].strip_prefix("RUST=").expect("the compiler's version");
    assert!(pinned.starts_with(&format!("{needs}.")), "{pinned} builds what needs {needs}");

    let last: &str = file.split("\nFROM scratch\n").nth(1).expect("a last stage");
    assert!(!last.contains("\nRUN "), "nothing is there to run anything with");
    assert!(last.contains("\nUSER 65532:65532\n"), "by number");
    assert!(last.contains("\nVOLUME [\"/var/lib/muster\"]\n"));
    assert!(last.contains("\nENTRYPOINT [\"/usr/bin/muster\"]\n"));
    assert!(file.contains("/etc/ssl/certs/ca-certificates.crt"), "AWS is reached by TLS");
    for label in ["title", "licenses", "version", "revision"] {
        assert!(last.contains(&format!("org.opencontainers.image.{label}=")), "{label}");
    }
    // Everything that the workspace names must be sent, or cargo reads no manifest.
    let sent = text("image/Dockerfile.dockerignore");
    for folder in ["runbooks", "state", "daemon", "lambdas", "tests", "Cargo.lock", ".cargo"] {
        assert!(sent.lines().any(|line| line == format!("!{folder}")), "{folder} is not sent");
    }
    assert_eq!(sent.lines().find(|line| !line.starts_with('#')), Some("*"));
}

/// Goal: the units expose no more than what their notes say, and start what is there.
/// Method: `systemd-analyze security` over the files, with its own threshold, which is then lowered to see that it bites.
#[test]
fn the_units_are_hardened() {
    for unit in ["muster.service", "muster-observe.service"] {
        let path = deploy(&format!("systemd/{unit}"));
        let text = fs::read_to_string(&path).expect("a unit");
        let verb = if unit == "muster.service" { "serve" } else { "observe" };
        assert!(
            text.contains(&format!("\nExecStart=/usr/bin/muster {verb} --config /etc/muster/"))
        );
        let analyze = |threshold: &str| {
            Command::new("systemd-analyze")
                .args(["security", "--no-pager", "--offline=true", "--threshold", threshold])
                .arg(&path)
                .output()
        };
        let Ok(found) = analyze(EXPOSURE_MAX) else {
            skip("systemd", "no systemd-analyze to judge the units");
            return;
        };
        let said = String::from_utf8_lossy(&found.stdout);
        assert!(found.status.success(), "{unit}: {said}{}", String::from_utf8_lossy(&found.stderr));
        assert!(text.contains("says 1.1"), "{unit} notes another figure");
        let found = analyze("0").expect("it ran before");
        assert!(!found.status.success(), "{unit}: nothing is ever found");
    }
}
