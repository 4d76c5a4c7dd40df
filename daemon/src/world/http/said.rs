//! What somebody else said, as it may be written down: short, in one line, without our secrets.

use reqwest::Response;

/// The most of an answer that is read, in bytes. Nobody needs more than its first words.
const BODY_BYTES_MAX: usize = 4_096;

/// The most of what an application says that is written down, in characters.
const SAID_MAX: usize = 200;

/// The first words of an answer, without the secret that it was asked with.
pub(in crate::world) async fn first_words(answer: &mut Response, secret: Option<&str>) -> String {
    in_short(&masked(&String::from_utf8_lossy(&first_bytes(answer, BODY_BYTES_MAX).await), secret))
}

/// So many bytes of an answer. One that breaks off is still an answer, and its status says enough.
pub(in crate::world) async fn first_bytes(answer: &mut Response, bytes_max: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < bytes_max
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(bytes_max);
    body
}

/// A text without a secret that may stand in it.
pub(in crate::world) fn masked(text: &str, secret: Option<&str>) -> String {
    match secret {
        Some(secret) if !secret.is_empty() => text.replace(secret, "…"),
        Some(_) | None => text.to_owned(),
    }
}

/// One line without control characters, cut.
pub(in crate::world) fn in_short(text: &str) -> String {
    let is_bad = |c: char| c.is_control() || c.is_whitespace();
    let words = text.split(is_bad).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SAID_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what an application says can neither fill the journal nor paint a terminal, nor tell what
    /// vouched for us.
    #[test]
    fn what_is_said_is_one_short_line() {
        assert_eq!(in_short(" a\u{1b}[31m b\r\n\tc\u{7} "), "a [31m b c");
        let long = in_short(&"é".repeat(5_000));
        assert_eq!(long.chars().count(), 201, "{long}");
        assert_eq!(in_short("\n \u{0}"), "");
        assert_eq!(masked("no: s3cret", Some("s3cret")), "no: …");
        assert_eq!(masked("no", Some("")), "no");
    }
}
