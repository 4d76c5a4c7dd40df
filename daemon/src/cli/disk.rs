//! Files that are written once, and read up to a sane size.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::Failure;

/// Writes a file that only its owner reads. One that is there stays.
pub(super) fn write_new(out: &Path, text: &str, hint: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(out);
    let written = opened.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|why| Failure::BadUse {
        because: format!("`{}` cannot be written: {why}", out.display()),
        hint: Some(hint.to_owned()),
    })
}

/// Reads a file that is not larger than that.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let bad = |why: String| Failure::bad_use(format!("`{}`: {why}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|why| bad(why.to_string()))?;
    let read = file.take(bytes_max + 1).read_to_end(&mut bytes);
    read.map_err(|why| bad(why.to_string()))?;
    if bytes.len() as u64 > bytes_max {
        return Err(bad(format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}
