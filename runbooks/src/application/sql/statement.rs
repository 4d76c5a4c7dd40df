//! What can be said about a statement without a server.

/// What keeps a text from being one statement that reads, as far as that can be told without a
/// server.
pub fn statement_problem(text: &str) -> Option<&'static str> {
    let first = match only(text) {
        Ok(first) => first,
        Err(why) => return Some(why),
    };
    let word: String = first
        .trim_start_matches(['(', ' ', '\n', '\t'])
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    let reads = ["select", "with", "show", "values"];
    (!reads.contains(&word.to_ascii_lowercase().as_str()))
        .then_some("it does not start with `select`, `with`, `show` or `values`")
}

/// What keeps a text from being one statement, whatever it does, as far as that can be told without a
/// server.
pub fn one_statement_problem(text: &str) -> Option<&'static str> {
    only(text).err()
}

/// The one statement of a text, bare.
fn only(text: &str) -> Result<String, &'static str> {
    let bare = bare(text)?;
    let mut statements = bare.split(';').map(str::trim);
    let first = statements.next().unwrap_or_default();
    if first.is_empty() {
        return Err("it is empty");
    }
    if statements.any(|more| !more.is_empty()) {
        return Err("it is more than one statement");
    }
    Ok(first.to_owned())
}

/// A statement without its comments, and with a blank for every text and quoted name in it.
fn bare(text: &str) -> Result<String, &'static str> {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (skipped, stands_for) = if rest.starts_with("--") {
            (rest.find('\n').unwrap_or(rest.len()), " ")
        } else if rest.starts_with("/*") {
            (comment(rest).ok_or("a comment in it does not end")?, " ")
        } else if next == '\'' || next == '"' {
            let escapes = next == '\'' && bare.ends_with(['e', 'E']);
            (closed(rest, next, escapes).ok_or("a quotation in it does not end")?, "x")
        } else if let Some(tag) = dollar_tag(rest) {
            let inside = &rest[tag.len()..];
            let end = inside.find(tag).ok_or("a quotation in it does not end")?;
            (tag.len() + end + tag.len(), "x")
        } else {
            bare.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        bare.push_str(stands_for);
        rest = &rest[skipped..];
    }
    Ok(bare)
}

/// The length of the comment at the start; they nest.
fn comment(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

/// The length of the quotation at the start. A doubled mark stands for itself.
fn closed(text: &str, mark: char, escapes: bool) -> Option<usize> {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if escapes && letter == '\\' {
            letters.next();
        } else if letter == mark {
            if letters.peek().is_some_and(|(_, next)| *next == mark) {
                letters.next();
            } else {
                return Some(at + 1);
            }
        }
    }
    None
}

/// The `$tag$` at the start, if there is one. `$1` is a parameter and no tag.
fn dollar_tag(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('$')?;
    let end = inside.find('$')?;
    let tag = &inside[..end];
    let is_tag = tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &text[..end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: what is plainly no reading statement is found before any server is asked, and a mark
    /// inside a text or a comment is not taken for the end of a statement.
    #[test]
    fn what_can_be_told_without_a_server() {
        for sound in [
            "select 1",
            " SELECT count(*) FROM orders;",
            "with newest as (select 1) select * from newest",
            "show server_version",
            "values (1)",
            "(select 1) union (select 2)",
            "-- how many; all of them\nselect 1",
            "/* a /* nested; */ comment; */ select 'a;b', \"c;d\", $$e;f$$, $x$g;$$h$x$",
            "select E'it\\'s; fine'",
            "select 'it''s; fine'",
        ] {
            assert_eq!(statement_problem(sound), None, "{sound}");
        }
        for (bad, why) in [
            ("", "empty"),
            (" -- nothing", "empty"),
            (";", "empty"),
            ("select 1; select 2", "more than one"),
            ("select 1;;drop table orders", "more than one"),
            ("delete from orders", "does not start"),
            ("selects 1", "does not start"),
            ("explain select 1", "does not start"),
            ("select 'open", "does not end"),
            ("select $$open", "does not end"),
            ("select 1 /* open", "does not end"),
        ] {
            let said = statement_problem(bad).unwrap_or("nothing");
            assert!(said.contains(why), "{bad}: {said}");
            let is_one = why.starts_with("does not start");
            assert_eq!(one_statement_problem(bad).is_none(), is_one, "{bad}");
        }
    }
}
