//! What programs write, without what looks like a secret: nobody can know them all, so a name that
//! usually holds one is enough.

use super::http::said::in_short;

/// What the name of a secret ends with, in lower case.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "authorization",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "private_key",
    "credential",
    "credentials",
];

/// Words after which a secret follows.
const BEFORE: &[&str] = &["bearer", "basic"];

/// A line of a log as it may be written down: short, without control characters, and with an ellipsis in
/// place of every secret that can be told by its name, its place in a URL or its form.
pub(super) fn masked_line(line: &str) -> String {
    let short = in_short(line);
    let mut masks_next = false;
    let words = short.split(' ').map(|word| {
        let hidden = std::mem::replace(&mut masks_next, false);
        if hidden {
            // `authorization: Bearer x`: the word between is none.
            masks_next = BEFORE.contains(&bare(word).as_str());
            return if masks_next { word.to_owned() } else { "…".to_owned() };
        }
        let (masked, rest_follows) = masked_word(word);
        masks_next = rest_follows;
        masked
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A word, and whether the next one is what it names.
fn masked_word(word: &str) -> (String, bool) {
    if BEFORE.contains(&bare(word).as_str()) {
        return (word.to_owned(), true);
    }
    if is_key_id(word) {
        return ("…".to_owned(), false);
    }
    if let Some(at) = word.find("://")
        && let Some(end) = word[at + 3..].find('@')
        && !word[at + 3..at + 3 + end].contains('/')
    {
        return (format!("{}…{}", &word[..at + 3], &word[at + 3 + end..]), false);
    }
    let Some(at) = word.find(['=', ':']) else { return (word.to_owned(), false) };
    if !NAMES.iter().any(|name| bare(&word[..at]).ends_with(name)) {
        return (word.to_owned(), false);
    }
    let value = &word[at + 1..];
    if value.trim_matches(['"', '\'']).is_empty() {
        return (word.to_owned(), true);
    }
    (format!("{}…", &word[..=at]), false)
}

/// A name without what stands around it in JSON and in flags, in lower case.
fn bare(word: &str) -> String {
    let around = |sign: char| !sign.is_ascii_alphanumeric();
    word.trim_matches(around).to_ascii_lowercase()
}

/// The id of an access key of AWS, which is half of a credential.
fn is_key_id(word: &str) -> bool {
    let word = word.trim_matches(|sign: char| !sign.is_ascii_alphanumeric());
    (word.starts_with("AKIA") || word.starts_with("ASIA"))
        && word.len() == 20
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::masked_line;

    /// Goal: what looks like a secret does not get into the journal, and what does not stays readable.
    #[test]
    fn what_looks_like_a_secret() {
        for (line, masked) in [
            ("migrated 14 tables in 3s", "migrated 14 tables in 3s"),
            ("DB_PASSWORD=hunter2 host=db", "DB_PASSWORD=… host=db"),
            ("--api-key: abc next", "--api-key: … next"),
            ("{\"token\": \"abc\", \"n\": 1}", "{\"token\": … \"n\": 1}"),
            ("{\"token\":\"abc\"}", "{\"token\":…"),
            ("Authorization: Bearer abc.def end", "Authorization: Bearer … end"),
            ("postgres://app:pw@db:5432/x up", "postgres://…@db:5432/x up"),
            ("https://db.example/a@b", "https://db.example/a@b"),
            ("key AKIAABCDEFGHIJKLMNOP used", "key … used"),
            ("token bucket refilled: 5", "token bucket refilled: 5"),
            ("\u{1b}[31msecret=\u{7}x\u{1b}[0m", "[31msecret= … [0m"),
        ] {
            assert_eq!(masked_line(line), masked, "{line:?}");
        }
    }
}
