//! Rules that no compiler keeps: walls between the crates, and the shape of files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where a foreign name may be used. A file is named by its path from the root of the workspace.
struct Wall {
    words: &'static [&'static str],
    may: &'static [&'static str],
    why: &'static str,
}

const WALLS: &[Wall] = &[
    Wall {
        words: &["aws_sdk_", "aws_smithy_", "aws_config"],
        may: &[
            "daemon/src/world/aws",
            "daemon/src/queue",
            "lambdas/src/deliver",
            "lambdas/src/watchdog",
            "tests/src/",
        ],
        why: "foreign types stop at the door: AWS behind the world and the queue",
    },
    Wall {
        // Our own door has the name of the crate behind it.
        words: &[
            "use kube::",
            "kube::api",
            "kube::client",
            "kube::config",
            "kube::core",
            "kube::Error",
            "k8s_openapi",
        ],
        may: &["daemon/src/world/kube", "tests/src/"],
        why: "Kubernetes behind the world",
    },
    Wall {
        words: &["tokio_postgres"],
        may: &["daemon/src/world/sql", "tests/src/"],
        why: "PostgreSQL behind the world",
    },
    Wall {
        words: &["redis::"],
        may: &["daemon/src/world/flush.rs", "tests/src/redis.rs", "tests/tests/flush.rs"],
        why: "the cache behind the world",
    },
    Wall {
        words: &["::sled::"],
        may: &["state/src/journal/sled.rs"],
        why: "one file knows where progress is kept",
    },
    Wall {
        words: &["axum::", "http::"],
        may: &[
            "daemon/src/api",
            "daemon/src/page",
            "daemon/src/metrics",
            "daemon/src/main.rs",
            "daemon/src/world/http.rs",
            // The SDK's own client, which its requests wait in.
            "daemon/src/world/aws/paced.rs",
            "tests/",
        ],
        why: "HTTP types stay at the door",
    },
    Wall {
        words: &["aws_lambda_events", "lambda_runtime"],
        may: &["lambdas/"],
        why: "the Lambda's own door",
    },
    Wall {
        words: &["tokio_cron_scheduler::"],
        may: &["daemon/src/schedule.rs"],
        why: "it rings a bell and nothing else",
    },
    Wall {
        words: &["croner", "chrono_tz", "chrono::"],
        may: &["runbooks/src/schedule"],
        why: "jiff everywhere else",
    },
    Wall {
        words: &["tokio::"],
        may: &["daemon/", "lambdas/", "tests/"],
        why: "what decides has no runtime",
    },
    Wall {
        words: &["tokio::spawn(", "JoinSet"],
        may: &[
            "daemon/src/perform.rs",
            "daemon/src/main.rs",
            "daemon/src/serve.rs",
            // The ranges of one comparison, on more than one processor; they end with it.
            "daemon/src/compare",
            "daemon/tests/",
            "tests/",
        ],
        why: "one list of tasks",
    },
    Wall {
        words: &["Timestamp::now(", "Zoned::now(", "Instant::now(", "SystemTime::now("],
        may: &[
            "daemon/src/clock.rs",
            "lambdas/src/bin/",
            "tests/",
            "state/benches/",
            "daemon/benches/",
            "lambdas/benches/",
        ],
        why: "time is an argument",
    },
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 90;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests live in the workspace")
        .to_owned()
}

fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["runbooks", "state", "daemon", "lambdas", "tests"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace can be read").flatten()
        {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with(".cache") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below the root").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("sources are UTF-8")));
            }
        }
    }
    found.sort();
    assert!(found.len() > 20, "the sources are where they are looked for");
    found
}

/// The code of a file without comments, line by line with its number.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Goal: a crate is known by what it does not know (design §4).
/// Method: search every source for names that only certain files may say.
#[test]
fn foreign_names_stay_behind_their_doors() {
    let mut breaches = Vec::new();
    for (file, text) in sources() {
        if file == "tests/tests/tidy.rs" {
            continue;
        }
        for wall in WALLS.iter().filter(|wall| !wall.may.iter().any(|may| file.starts_with(may))) {
            for (number, line) in code(&text) {
                let says = |word: &&str| {
                    line.match_indices(*word).any(|(at, _)| {
                        let before = line[..at].chars().next_back();
                        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                    })
                };
                if let Some(word) = wall.words.iter().find(|word| says(word)) {
                    breaches.push(format!("{file}:{number}: `{word}` ({})", wall.why));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// Goal: a file is one thought, read from the top.
/// Method: every file begins by saying what it is, and neither it nor its functions are too long.
#[test]
fn files_are_one_thought_each() {
    let mut faults = Vec::new();
    for (file, text) in sources() {
        if !text.starts_with("//!") {
            faults.push(format!("{file}: does not begin with `//!`"));
        }
        if file.ends_with("/mod.rs") {
            faults.push(format!("{file}: a folder `x/` has its `x.rs` beside it"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            faults.push(format!("{file}: {lines} lines, {FILE_LINES_MAX} at most"));
        }
        let unfinished = [
            "FIX".to_owned() + "ME",
            "XX".to_owned() + "X",
            "todo".to_owned() + "!(",
            "#[ign".to_owned() + "ore",
        ];
        for (number, line) in (1..).zip(text.lines()) {
            if unfinished.iter().any(|word| line.contains(word)) {
                faults.push(format!("{file}:{number}: unfinished: {}", line.trim()));
            }
        }
        // Tables of tests and the loop of a bench are read as one piece, however long.
        if file.contains("/src/") {
            faults.extend(long_functions(&file, &text));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Functions end at the brace that stands under their beginning: the formatter sees to that.
fn long_functions(file: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some((start, end, name)) = &open {
            if line == end {
                let length = number - start + 1;
                if length > FUNCTION_LINES_MAX {
                    faults.push(format!(
                        "{file}:{start}: `{name}` has {length} lines, {FUNCTION_LINES_MAX} at most"
                    ));
                }
                open = None;
            }
            continue;
        }
        let trimmed = line.trim_start();
        let starts =
            ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn ", "async fn ", "pub async fn "];
        if let Some(start) = starts.iter().find(|start| trimmed.starts_with(**start))
            && !line.ends_with('}')
            && !line.ends_with(';')
        {
            let indent = &line[..line.len() - trimmed.len()];
            let name = trimmed[start.len()..].split(['(', '<']).next().unwrap_or_default();
            open = Some((number, format!("{indent}}}"), name.to_owned()));
        }
    }
    faults
}

/// Goal: the breaks that the simulation must notice can be made again whenever somebody asks.
/// Method: each of them would still apply.
#[test]
fn every_mutation_applies() {
    let mut patches = Vec::new();
    for entry in fs::read_dir(root().join("tests/mutations")).expect("a folder").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|kind| kind != "patch") {
            continue;
        }
        let mut git = Command::new("git");
        let tried = git.args(["apply", "--check"]).arg(&path).current_dir(root()).output();
        let output = tried.expect("git runs");
        assert!(output.status.success(), "{path:?}: {}", String::from_utf8_lossy(&output.stderr));
        patches.push(path);
    }
    assert!(patches.len() > 10, "{patches:?}");
}

/// Goal: one TLS provider, no abandoned parser, only licences that Apache-2.0 can live with.
/// Method: read what cargo would build on the machine that Muster runs on.
#[test]
fn dependencies_keep_to_the_list() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--workspace", "--prefix", "none", "--format", "{p}|{l}"])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let banned = ["ring", "openssl", "openssl-sys", "native-tls", "serde_yaml", "serde_yml"];
    let mut faults = std::collections::BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (package, licence) = line.split_once('|').unwrap_or((line, ""));
        let name = package.split(' ').next().unwrap_or_default();
        if banned.contains(&name) {
            faults.insert(format!("`{name}` is banned"));
        }
        if !licence_is_fine(licence.trim_end_matches(" (*)")) {
            faults.insert(format!("`{name}` has the licence `{licence}`"));
        }
    }
    assert!(text.lines().count() > 100, "the list of packages is complete");
    assert!(faults.is_empty(), "{faults:?}");
}

fn licence_is_fine(expression: &str) -> bool {
    const FINE: &[&str] = &[
        "MIT",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "Zlib",
        "Unlicense",
        "0BSD",
        "CC0-1.0",
        "Unicode-3.0",
        "MPL-2.0",
        "CDLA-Permissive-2.0",
        "BSL-1.0",
        "OpenSSL",
        "Apache-2.0 WITH LLVM-exception",
        "MIT-0",
        "BlueOak-1.0.0",
    ];
    let flat = expression.replace(['(', ')'], "").replace('/', " OR ");
    flat.split(" OR ").any(|choice| choice.split(" AND ").all(|part| FINE.contains(&part.trim())))
}

/// Goal: the crates that decide cannot reach a runtime, a cloud or a socket.
/// Method: read their manifests.
#[test]
fn manifests_keep_the_walls() {
    let may_not = [
        ("runbooks", &["tokio", "aws-", "sled", "axum", "reqwest", "muster-state", "rand"][..]),
        ("state", &["tokio", "aws-", "axum", "reqwest", "muster.", "rand"][..]),
        ("lambdas", &["muster-state", "muster.workspace", "sled", "axum"][..]),
    ];
    for (folder, words) in may_not {
        let manifest =
            fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest");
        let manifest = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for word in words {
            let says = manifest.lines().any(|line| line.starts_with(word));
            assert!(!says, "{folder}/Cargo.toml depends on `{word}`");
        }
    }
}

/// Goal: what is declared is used: an unused dependency is built, updated and answered for all the
/// same.
/// Method: look for every declared name in the sources of the crate that declares it, and for every
/// name of the workspace's table in some crate.
#[test]
fn what_is_declared_is_used() {
    let mut faults = Vec::new();
    let sources = sources();
    let read = |path: PathBuf| fs::read_to_string(path).expect("a manifest");
    let mut taken = std::collections::BTreeSet::new();
    for folder in ["runbooks", "state", "daemon", "lambdas", "tests"] {
        for line in read(root().join(folder).join("Cargo.toml")).lines() {
            let Some(name) = line.strip_suffix(".workspace = true") else { continue };
            taken.insert(name.to_owned());
            let word = name.replace('-', "_");
            let of_crate = |file: &str| file.starts_with(&format!("{folder}/"));
            let about_the_package = ["version", "edition", "rust_version", "license", "publish"];
            if !about_the_package.contains(&word.as_str())
                && !sources.iter().any(|(file, text)| of_crate(file) && text.contains(&word))
            {
                faults.push(format!("{folder}/Cargo.toml: `{name}` is used nowhere"));
            }
        }
    }
    let table = read(root().join("Cargo.toml"));
    let table = table.split("[workspace.dependencies]").nth(1).expect("a table");
    let table = table.split("\n[").next().expect("its lines");
    for name in table.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name) {
        if !taken.contains(name) {
            faults.push(format!("Cargo.toml: no crate takes `{name}`"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Goal: the repository speaks of the product alone.
/// Method: no tracked text names this machine's folders or a package registry's host.
#[test]
fn nothing_tells_where_it_was_written() {
    let output =
        Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("git runs");
    let root = root();
    let home = root.parent().expect("a parent").display().to_string();
    let mut faults = Vec::new();
    for file in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        let tells = |line: &&str| home.len() > 1 && line.contains(&format!("{home}/"));
        faults.extend(text.lines().filter(tells).map(|line| format!("{file}: {line}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
