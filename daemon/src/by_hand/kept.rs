//! The files of the pages: a crash leaves the one before or the new one, whole.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

/// Writes a file unless it holds just that.
///
/// # Errors
///
/// When the disk refuses.
pub(super) fn write_if_it_differs(path: &Path, content: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == content.as_bytes()) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut aside = path.file_name().unwrap_or_default().to_owned();
    aside.push(".next");
    let aside = path.with_file_name(aside);
    let mut file = fs::File::create(&aside)?;
    file.write_all(content.as_bytes())?;
    file.sync_data()?;
    drop(file);
    fs::rename(aside, path)
}

/// Removes a file. What cannot be removed is found again by whoever looks for it.
pub(super) fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

/// Removes every file of the folders in a folder that is not to stay.
///
/// # Errors
///
/// When the disk refuses.
pub(super) fn retain(folder: &Path, stays: impl Fn(&Path) -> bool) -> io::Result<()> {
    let Ok(folders) = fs::read_dir(folder) else { return Ok(()) };
    for inner in folders {
        let Ok(files) = fs::read_dir(inner?.path()) else { continue };
        for file in files {
            let path = file?.path();
            if !stays(&path) {
                fs::remove_file(&path)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a page is whole or as it was, is not written for nothing, and goes with its application.
    #[test]
    fn pages_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop/region-failover-forced.txt");
        write_if_it_differs(&path, "one").unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        write_if_it_differs(&path, "one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
        write_if_it_differs(&path, "two").unwrap();
        let stranger = folder.path().join("gone/region-failover-forced.txt");
        write_if_it_differs(&stranger, "three").unwrap();
        // What a crash left behind.
        fs::write(path.with_extension("txt.next"), "ha").unwrap();
        retain(folder.path(), |file| file == path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert!(!stranger.exists() && !path.with_extension("txt.next").exists());
        // A folder that cannot be made is an error, and no panic.
        assert!(write_if_it_differs(&path.join("below/a-file.txt"), "x").is_err());
    }
}
