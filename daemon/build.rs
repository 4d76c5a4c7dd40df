//! Gives the build an id out of its sources, so that a test can tell a stale binary from its own.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

fn main() {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default();
    let mut folders: Vec<PathBuf> =
        ["runbooks/src", "runbooks/definitions", "state/src", "daemon/src"]
            .map(|name| root.join(name))
            .into();
    let lock = root.join("Cargo.lock");
    // Of the folders cargo learns below. Without this the ids of two builds of one source differ.
    println!("cargo::rerun-if-changed={}", lock.display());
    let mut files = vec![lock];
    while let Some(folder) = folders.pop() {
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(&file).unwrap_or_default().hash(&mut hasher);
    }
    println!("cargo::rustc-env=MUSTER_BUILD_ID={:016x}", hasher.finish());
}
