//! Ed25519 keys that this program signs with, the files they are kept in, and the hexadecimal digits that
//! keys, hashes and tokens are written in.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    rand,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use muster_runbooks::application::detection::PublicKey;

/// The largest file that a key is looked for in: a key has fewer than two hundred digits.
const KEY_BYTES_MAX: u64 = 4_096;

/// A key that is signed with.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey of {}", self.public())
    }
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is no private key that `muster report key` or `muster observe --make-key` made")]
pub struct BadKey;

/// Why a file gives no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFile {
    /// It cannot be read or written.
    #[error("the key in `{path}`")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no key in it, or none could be made.
    #[error("`{path}`")]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BadKey,
    },
}

impl SigningKey {
    /// A new key, as what is kept of it: PKCS#8 in hexadecimal digits.
    ///
    /// # Errors
    ///
    /// When the machine gives no random bytes.
    pub fn make() -> Result<(SigningKey, String), BadKey> {
        let document = Ed25519KeyPair::generate_pkcs8(&rand::SystemRandom::new());
        let document = document.map_err(|_| BadKey)?;
        let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| BadKey)?;
        Ok((SigningKey(key), hex(document.as_ref())))
    }

    /// The key out of what was kept of it.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn read(kept: &str) -> Result<SigningKey, BadKey> {
        let bytes = unhex(kept.trim()).ok_or(BadKey)?;
        Ed25519KeyPair::from_pkcs8(&bytes).map(SigningKey).map_err(|_| BadKey)
    }

    /// The key in a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds none.
    pub fn load(path: &Path) -> Result<SigningKey, KeyFile> {
        let unusable = |source| KeyFile::Unusable { path: path.to_owned(), source };
        let no_key = |source| KeyFile::NoKey { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(unusable)?.len() > KEY_BYTES_MAX {
            return Err(no_key(BadKey));
        }
        let kept = std::fs::read(path).map_err(unusable)?;
        let kept = std::str::from_utf8(&kept).map_err(|_| no_key(BadKey))?;
        SigningKey::read(kept).map_err(no_key)
    }

    /// Makes a key into a file that only its owner reads. One that is there stays.
    ///
    /// # Errors
    ///
    /// When the file is there, or cannot be written.
    pub fn make_file(path: &Path) -> Result<SigningKey, KeyFile> {
        use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt};
        let unusable = |source| KeyFile::Unusable { path: path.to_owned(), source };
        let made = SigningKey::make();
        let (key, kept) =
            made.map_err(|source| KeyFile::NoKey { path: path.to_owned(), source })?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(unusable)?;
        writeln!(file, "{kept}").and_then(|()| file.sync_all()).map_err(unusable)?;
        Ok(key)
    }

    /// What its signatures are verified with.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey::new(bytes)
    }

    /// Its signature over some bytes.
    pub fn sign(&self, said: &[u8]) -> Vec<u8> {
        self.0.sign(said).as_ref().to_vec()
    }
}

/// Whether a signature over some bytes is one of this key.
pub fn is_signed(said: &[u8], signature: &[u8], key: &PublicKey) -> bool {
    UnparsedPublicKey::new(&ED25519, key.bytes()).verify(said, signature).is_ok()
}

/// A name that nothing else has: 128 random bits in hexadecimal digits.
///
/// # Errors
///
/// When the machine gives no random bytes.
pub fn unique() -> Result<String, BadKey> {
    let mut bytes = [0; 16];
    rand::SecureRandom::fill(&rand::SystemRandom::new(), &mut bytes).map_err(|_| BadKey)?;
    Ok(hex(&bytes))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes behind hexadecimal digits; nothing when the text is something else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
    digits.chunks_exact(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Goal: a private key is in no log, and only its owner reads its file; one that is there is never
    /// written over.
    #[test]
    fn keys_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = SigningKey::make_file(&path).unwrap();
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(!format!("{key:?}").contains(&kept[..32]));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(SigningKey::make_file(&path), Err(KeyFile::Unusable { .. })));
        assert_eq!(SigningKey::load(&path).unwrap().public(), key.public());
    }

    /// Goal: what is no key is said, whatever it is.
    #[test]
    fn what_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(matches!(SigningKey::load(&path), Err(KeyFile::Unusable { .. })));
        for kept in [&b"00ff"[..], b"no key", b"\xff\xfe", &[b'0'; 5_000], b""] {
            std::fs::write(&path, kept).unwrap();
            assert!(matches!(SigningKey::load(&path), Err(KeyFile::NoKey { .. })), "{kept:?}");
        }
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("+f"), None);
        assert_eq!(unhex("00fF"), Some(vec![0, 255]));
    }
}
