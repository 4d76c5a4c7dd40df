//! The envelope of what is signed: a payload and its signature, as DSSE puts them together
//! (the Dead Simple Signing Envelope of in-toto), so that other programs can verify it too.
//!
//! The signature is over the type and the bytes of the payload, and over nothing that was parsed: whoever
//! verifies it decides nothing by what is in the payload before the signature holds.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use muster_runbooks::application::detection::PublicKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::signing::{self, SigningKey};

/// The most signatures that are looked at.
const SIGNATURES_MAX: usize = 16;

/// A payload and its signatures.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct Envelope {
    /// What the payload is, such as `application/vnd.muster.report+json`. It is signed with it, so that nothing
    /// can be taken for something else.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// JSON, in base64.
    pub payload: String,
    /// One signature; none where the daemon has no key to sign with.
    pub signatures: Vec<Signature>,
}

/// One signature.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct Signature {
    /// The public key in hexadecimal digits: a hint which one to ask for, and no proof of anything.
    #[serde(default)]
    pub keyid: String,
    /// The Ed25519 signature over the pre-authentication encoding of type and payload, in base64.
    pub sig: String,
}

/// Why an envelope is not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unbelieved {
    /// It is the envelope of something else.
    #[error("it holds `{found}`, and not `{wanted}`")]
    Type {
        /// What it says it is.
        found: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// It has no signature.
    #[error("it is not signed")]
    Unsigned,
    /// It cannot be read.
    #[error("its {0} is not base64")]
    Unreadable(&'static str),
    /// It has more signatures than anybody makes.
    #[error("it has {0} signatures, and {SIGNATURES_MAX} at most are looked at")]
    TooMany(usize),
    /// None of its signatures is of the key.
    #[error("no signature of it is of this key over what it holds")]
    Signature,
}

impl Envelope {
    /// Puts something into an envelope, signed where there is a key.
    pub fn seal(kind: &str, payload: &impl Serialize, key: Option<&SigningKey>) -> Envelope {
        // Maps with text keys and numbers: there is nothing in it that JSON cannot hold.
        let payload = serde_json::to_vec(payload).unwrap_or_default();
        let said = encoding(kind, &payload);
        let signatures = key.map(|key| Signature {
            keyid: key.public().to_string(),
            sig: STANDARD.encode(key.sign(&said)),
        });
        Envelope {
            payload_type: kind.to_owned(),
            payload: STANDARD.encode(&payload),
            signatures: signatures.into_iter().collect(),
        }
    }

    /// The bytes of the payload, when a signature of the key holds for them.
    ///
    /// # Errors
    ///
    /// With the reason, when none does.
    pub fn open(&self, kind: &'static str, key: &PublicKey) -> Result<Vec<u8>, Unbelieved> {
        if self.payload_type != kind {
            let found: String = self.payload_type.chars().take(80).collect();
            return Err(Unbelieved::Type { found, wanted: kind });
        }
        if self.signatures.is_empty() {
            return Err(Unbelieved::Unsigned);
        }
        if self.signatures.len() > SIGNATURES_MAX {
            return Err(Unbelieved::TooMany(self.signatures.len()));
        }
        let payload = self.payload()?;
        let said = encoding(&self.payload_type, &payload);
        let mut holds = false;
        for signature in &self.signatures {
            let bytes = STANDARD.decode(&signature.sig);
            let bytes = bytes.map_err(|_| Unbelieved::Unreadable("signature"))?;
            holds |= signing::is_signed(&said, &bytes, key);
        }
        if holds { Ok(payload) } else { Err(Unbelieved::Signature) }
    }

    /// The bytes of the payload, whoever signed them.
    ///
    /// # Errors
    ///
    /// When they are not base64.
    pub fn payload(&self) -> Result<Vec<u8>, Unbelieved> {
        STANDARD.decode(&self.payload).map_err(|_| Unbelieved::Unreadable("payload"))
    }
}

/// The bytes that are signed: the pre-authentication encoding of DSSE, in which no type can run into a
/// payload.
fn encoding(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut said = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    said.extend_from_slice(payload);
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "application/vnd.muster.report+json";

    /// Goal: other programs compute the same bytes.
    /// Method: the example of the specification.
    #[test]
    fn the_encoding_is_that_of_the_specification() {
        let said = encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(said, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    fn signed(kind: &str, payload: &[u8], key: &SigningKey) -> Envelope {
        let sig = STANDARD.encode(key.sign(&encoding(kind, payload)));
        let keyid = key.public().to_string();
        Envelope {
            payload_type: kind.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![Signature { keyid, sig }],
        }
    }

    /// Goal: nothing but what the key signed, as what it signed it as, is believed.
    /// Method: one envelope that is right; every other differs from it in one thing.
    #[test]
    fn what_is_believed() {
        let (key, _) = SigningKey::make().unwrap();
        let (other, _) = SigningKey::make().unwrap();
        let right = signed(KIND, b"{}", &key);
        assert_eq!(right.open(KIND, &key.public()), Ok(b"{}".to_vec()));
        let refused = |change: &dyn Fn(&mut Envelope)| {
            let mut envelope = right.clone();
            change(&mut envelope);
            envelope.open(KIND, &key.public()).unwrap_err()
        };
        assert_eq!(right.open(KIND, &other.public()), Err(Unbelieved::Signature));
        // Somebody else's signature beside the right one takes nothing away, whatever it calls itself.
        let mut two = right.clone();
        two.signatures.insert(0, signed(KIND, b"{}", &other).signatures.remove(0));
        assert_eq!(two.open(KIND, &key.public()), Ok(b"{}".to_vec()));
        let posing = refused(&|one| {
            one.signatures = signed(KIND, b"{}", &other).signatures;
            one.signatures[0].keyid = key.public().to_string();
        });
        assert_eq!(posing, Unbelieved::Signature);
        assert_eq!(refused(&|one| one.signatures.clear()), Unbelieved::Unsigned);
        let many = |one: &mut Envelope| one.signatures = vec![one.signatures[0].clone(); 17];
        assert_eq!(refused(&many), Unbelieved::TooMany(17));
        assert_eq!(refused(&|one| one.payload.push('!')), Unbelieved::Unreadable("payload"));
        assert_eq!(
            refused(&|one| one.signatures[0].sig.clear()),
            Unbelieved::Signature,
            "an empty signature is one of nobody"
        );
        let kind = "application/vnd.in-toto+json";
        let another = signed(kind, b"{}", &key);
        assert_eq!(
            another.open(KIND, &key.public()),
            Err(Unbelieved::Type { found: kind.to_owned(), wanted: KIND })
        );
        assert_eq!(
            refused(&|one| one.signatures = signed(kind, b"{}", &key).signatures.clone()),
            Unbelieved::Signature,
            "the type is signed too"
        );
    }
}
