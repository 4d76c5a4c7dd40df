//! Words of a shell: what a person copies from a page must do what the page says, and nothing else.

/// A text as one word. What no shell looks at stays as it is, so that commands can be read.
pub fn word(text: &str) -> String {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "=_.,:/@%+-".contains(sign);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// A command: like `format!`, with every value as one word.
macro_rules! command {
    ($text:literal $(, $value:expr)* $(,)?) => {
        format!($text $(, $crate::shell::word(&$value.to_string()))*)
    };
}
pub(crate) use command;

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a value is one word, whatever stands in it.
    /// Method: values that a shell would take apart, carry out, expand or forget.
    #[test]
    fn a_value_is_one_word() {
        assert_eq!(word("arn:aws:rds:us-west-2:1:cluster:a"), "arn:aws:rds:us-west-2:1:cluster:a");
        for (text, as_word) in [
            ("", "''"),
            ("a b", "'a b'"),
            ("a;b", "'a;b'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's", r"'it'\''s'"),
            ("~", "'~'"),
            ("*", "'*'"),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(word(text), as_word);
        }
        assert_eq!(command!("curl {} -d {}", "http://x/?a=1&b", 5), "curl 'http://x/?a=1&b' -d 5");
    }
}
