//! What an older journal does not say.

use super::*;

/// Goal: a key is judged by what was asked, and journals from before that was written are read.
/// Method: a row with and one without it, as they stand on disk.
#[test]
fn an_old_key_is_held_against_nobody() {
    let row = |text: &str| serde_json::from_str::<Held>(text).unwrap();
    let old = row(r#"{"holder":"a00000000000","at":"2026-03-01T02:00:00Z"}"#);
    let new = row(r#"{"holder":"a00000000000","at":"2026-03-01T02:00:00Z","asked":"one"}"#);
    assert!(old.is_same(Some("one")) && old.is_same(None));
    assert!(new.is_same(Some("one")) && new.is_same(None) && !new.is_same(Some("other")));
    assert!(!serde_json::to_string(&old).unwrap().contains("asked"));
}
