//! With which key the reports of runs are signed.

use std::path::PathBuf;

use muster_runbooks::tree::Place;
use serde::Deserialize;

use super::{BadConfig, Config};
use crate::{offline::chain, signing::SigningKey};

/// How reports are signed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reports {
    /// The file with the private key, as `muster report key` makes it.
    pub key_file: PathBuf,
}

impl Config {
    /// The key that reports are signed with; none where none is configured.
    ///
    /// It is read when the daemon starts and not when files are checked: where they are checked, the key is
    /// not and should not be.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds no key.
    pub fn report_key(&self) -> Result<Option<SigningKey>, BadConfig> {
        let Some(reports) = &self.reports else { return Ok(None) };
        let bad = |why| {
            let place: Place = self.source.place(&["reports", "key_file"]);
            let mut finding = self.source.error(place, "no-key", chain(&why));
            finding.hint = Some("make one with `muster report key --out FILE`".to_owned());
            BadConfig::Invalid { findings: vec![finding] }
        };
        SigningKey::load(&reports.key_file).map(Some).map_err(bad)
    }
}
