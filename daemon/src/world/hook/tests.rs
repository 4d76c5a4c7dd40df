//! What hooks come to, without anybody to ask.

use muster_runbooks::application::hook::{Hook, HookKind, HookTime, HttpHook, OnError};
use muster_runbooks::value::Span;
use muster_state::call::Answer;

use super::Tally;

fn hook(name: &str, when: HookTime, on_error: OnError) -> Hook {
    Hook {
        name: name.parse().unwrap(),
        when,
        limit: Span::from_secs(1),
        on_error,
        kind: HookKind::Http(HttpHook { url: "http://127.0.0.1:1".to_owned(), token_env: None }),
    }
}

/// The names of the hooks that were asked, and what came of them.
fn asked(when: HookTime, fails: &[(&str, OnError)]) -> (Vec<String>, Answer) {
    let mut tally = Tally::new(when);
    let mut names = Vec::new();
    for (name, on_error) in fails {
        names.push((*name).to_owned());
        let said = if name.starts_with("good") { Ok(()) } else { Err("no".to_owned()) };
        if tally.note(&hook(name, when, *on_error), said).is_break() {
            break;
        }
    }
    (names, tally.answer())
}

/// Goal: before a snapshot nothing more is made to stand still once a hook has failed that must not;
/// after one every hook is asked, whatever became of the others; and one that may fail is shown.
/// Method: the same hooks at both times.
#[test]
fn what_a_failed_hook_does_to_the_others() {
    use OnError::{Continue, Fail};
    let hooks = [("good-a", Fail), ("bad-b", Continue), ("bad-c", Fail), ("good-d", Fail)];
    let (names, answer) = asked(HookTime::BeforeSnapshot, &hooks);
    assert_eq!(names, ["good-a", "bad-b", "bad-c"]);
    let both = "hook `bad-c`: no; hook `bad-b`: no".to_owned();
    assert_eq!(answer, Answer::Failed { reason: both.clone() });
    let (names, answer) = asked(HookTime::AfterSnapshot, &hooks);
    assert_eq!(names, ["good-a", "bad-b", "bad-c", "good-d"]);
    assert_eq!(answer, Answer::Failed { reason: both });

    let (_, answer) = asked(HookTime::BeforeSnapshot, &hooks[..2]);
    let Answer::Done(done) = answer else { panic!("{answer:?}") };
    assert_eq!(done.outputs["ran"], 1);
    assert_eq!(done.outputs["failed"], serde_json::json!(["hook `bad-b`: no"]));
    assert_eq!(done.notes, ["hook `bad-b`: no; the run goes on"]);
}
