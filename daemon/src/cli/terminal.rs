//! The one place that prints, and the one that asks.

use std::io::{self, BufRead, IsTerminal, Write};

use comfy_table::{Attribute, Cell, ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::json;

use super::{Exit, Failure, Global, Output};
use crate::api::{error::ProblemView, view::next::NextView};

/// Tables are not squeezed into less: a column of single letters helps nobody.
const COLUMNS_MIN: u16 = 60;

/// Where a command prints and asks.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    answers: Option<Box<dyn BufRead + Send>>,
    output: Output,
    colour: bool,
    wide: bool,
}

impl Terminal {
    /// The real one. Colours and questions only where a person sits.
    pub fn real(global: &Global) -> Terminal {
        let sits = io::stdout().is_terminal();
        let asks = sits && io::stdin().is_terminal();
        let colour = sits && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let answers: Box<dyn BufRead + Send> = Box::new(io::BufReader::new(io::stdin()));
        Terminal {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            answers: asks.then_some(answers),
            output: global.output,
            colour,
            wide: !sits,
        }
    }

    /// One that prints into `out` and `err`, without colours; `answers` stands for a person.
    pub fn into(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        answers: Option<Box<dyn BufRead + Send>>,
        output: Output,
    ) -> Terminal {
        Terminal { out, err, answers, output, colour: false, wide: true }
    }

    /// Whether programs read the output.
    pub fn is_json(&self) -> bool {
        self.output == Output::Json
    }

    /// Whether somebody sits there who can be asked.
    pub fn has_person(&self) -> bool {
        self.answers.is_some()
    }

    /// Prints a line for people.
    pub fn line(&mut self, text: impl AsRef<str>) {
        if !self.is_json() {
            self.put(text.as_ref());
        }
    }

    /// Prints what programs read.
    pub fn json<T: Serialize>(&mut self, value: &T) {
        if self.is_json() {
            let text = serde_json::to_string(value).unwrap_or_default();
            self.put(&text);
        }
    }

    /// Prints bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        // A closed pipe is how `muster … | head` ends; there is nobody left to tell.
        let _ = self.out.write_all(bytes);
        let _ = self.out.flush();
    }

    fn put(&mut self, text: &str) {
        let _ = writeln!(self.out, "{}", clean(text));
        let _ = self.out.flush();
    }

    /// Says something beside the output.
    pub fn aside(&mut self, text: impl AsRef<str>) {
        let _ = writeln!(self.err, "{}", clean(text.as_ref()));
        let _ = self.err.flush();
    }

    /// Prints a table for people; the first column stands out.
    pub fn table(&mut self, header: &[&str], rows: Vec<Vec<String>>) {
        if self.is_json() {
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(header.iter().copied());
        // A terminal that does not know its width, such as a serial console, says that it has none.
        let fits = table.width().is_some_and(|width| width >= COLUMNS_MIN);
        let arrangement = if self.wide || !fits {
            ContentArrangement::Disabled
        } else {
            ContentArrangement::Dynamic
        };
        table.set_content_arrangement(arrangement);
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        for row in rows {
            let cells = row.into_iter().enumerate().map(|(place, text)| {
                let cell = Cell::new(clean(&text));
                if place == 0 { cell.add_attribute(Attribute::Bold) } else { cell }
            });
            table.add_row(cells);
        }
        self.put(
            &table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n"),
        );
    }

    /// Makes a text stand out.
    pub fn loud(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Prints what to type next.
    pub fn next(&mut self, list: &[NextView]) {
        for next in list {
            let command = self.loud(&next.command);
            self.line(format!("next: {command}\n      {}", next.why));
        }
    }

    /// Prints a command to type next.
    pub fn then(&mut self, command: impl AsRef<str>) {
        let command = self.loud(command.as_ref());
        self.line(format!("next: {command}"));
    }

    /// Asks for a yes. Without a person there is none.
    pub fn confirms(&mut self, question: &str) -> Option<bool> {
        self.answers.as_ref()?;
        let _ = write!(self.err, "{} Type yes: ", clean(question));
        let _ = self.err.flush();
        let mut answer = String::new();
        let read = self.answers.as_mut()?.read_line(&mut answer);
        Some(read.is_ok() && answer.trim() == "yes")
    }

    /// Says why a command failed, and how that counts.
    pub fn failure(&mut self, failure: &Failure) -> Exit {
        match failure {
            Failure::Problem(problem) => self.problem(problem),
            Failure::Unreachable { .. } => self.trouble("unreachable", failure),
            Failure::BadUse { .. } => self.trouble("bad-use", failure),
            Failure::Garbled { .. } => self.trouble("garbled", failure),
        }
        failure.exit()
    }

    fn trouble(&mut self, word: &str, failure: &Failure) {
        self.error(word, &failure.to_string(), failure.hint().as_deref());
    }

    /// Says what went wrong on this side, to programs as the daemon would: as a problem document.
    pub fn error(&mut self, word: &str, detail: &str, hint: Option<&str>) {
        let mut problem = json!({ "type": format!("urn:muster:problem:{word}"), "detail": detail });
        if let Some(hint) = hint {
            problem["hint"] = json!(hint);
        }
        self.json(&problem);
        self.aside(format!("error: {detail}"));
        if let Some(hint) = hint {
            self.aside(format!("hint: {hint}"));
        }
    }

    fn problem(&mut self, problem: &ProblemView) {
        if self.is_json() {
            self.json(problem);
        }
        self.aside(format!("error: {}: {}", problem.title.to_lowercase(), problem.detail));
        for one in problem.problems.iter().skip(usize::from(problem.problems.len() == 1)) {
            self.aside(format!("  {one}"));
        }
        if let Some(hint) = &problem.hint {
            self.aside(format!("hint: {hint}"));
        }
    }
}

/// What came over the network must not steer the terminal. Our own colours pass.
fn clean(text: &str) -> String {
    let keep = |sign: &char| !sign.is_control() || matches!(sign, '\n' | '\t' | '\u{1b}');
    let text: String = text.chars().filter(keep).collect();
    let mut parts = text.split('\u{1b}');
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if part.starts_with("[1m") || part.starts_with("[0m") {
            clean.push('\u{1b}');
        }
        clean.push_str(part);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn nobody_steers_the_terminal_from_afar() {
        assert_eq!(clean("a\u{1b}]0;evil\u{7}b\u{8}"), "a]0;evilb");
        assert_eq!(clean("\u{1b}[2J\u{1b}[1mbold\u{1b}[0m"), "[2J\u{1b}[1mbold\u{1b}[0m");
    }
}
