//! Bad runbooks: every finding with its line and column.

use muster_runbooks::runbook::{Runbook, library::Library};

use super::print;

/// A runbook without findings, for one change at a time.
const SOUND: &str = include_str!("sound.yaml");

/// Goal: a mistake is found where it is, and nothing else is found with it.
/// Method: one change to a sound runbook each; the snapshot is the table.
#[test]
fn each_mistake_is_found_in_its_place() {
    assert_eq!(print::findings(&Runbook::check("sound.yaml", SOUND).findings), "");
    let mut table = String::new();
    for (name, from, to) in MISTAKES {
        assert!(SOUND.contains(from), "{name}: `{from}` is not in the sound runbook");
        let found = Runbook::check("x", &SOUND.replacen(from, to, 1)).findings;
        table += &format!("# {name}\n{}\n", print::findings(&found));
    }
    insta::assert_snapshot!(table);
}

const MISTAKES: &[(&str, &str, &str)] = &[
    ("unknown key", "title: Ask", "titel: Ask"),
    ("missing limit", "    limit: 20s\n", ""),
    ("limit of zero", "limit: 20s", "limit: 0s"),
    ("limit without its unit", "limit: 20s", "limit: 20"),
    ("budget over limit", "budget: 3m", "budget: 6m"),
    ("attempts of zero", "attempts: 2", "attempts: 0"),
    ("attempts over the most", "attempts: 2", "attempts: 10000"),
    ("id over 32", "id: tell", "id: tell-everybody-who-might-want-to-know"),
    ("duplicate id", "id: tell", "id: watch"),
    ("need of nothing", "needs: [look, watch]", "needs: [look, wtch]"),
    ("need of another part", "needs: [look, watch]", "needs: [look, watch, tell]"),
    ("need twice", "needs: [look, watch]", "needs: [look, look]"),
    ("cycle of one", "needs: [look, watch]", "needs: [look, watch, ask]"),
    ("cycle of three", "needs: []", "needs: [promote]"),
    ("unknown action", "do: probe", "do: prob"),
    ("unknown parameter", "with: { at: standby }", "with: { at: standby, prot: 80 }"),
    ("missing parameter", "    with: { at: standby }\n", ""),
    ("wrong word", "with: { at: standby }", "with: { at: stand-by }"),
    ("parameter without its unit", "lag_max: 30s", "lag_max: 30"),
    ("parameter of another unit", "lag_max: 30s", "lag_max: 30 parsecs"),
    ("expression", "\"${inputs.loss_max}\"", "\"at most ${inputs.loss_max}\""),
    ("reference inside a list", "shows: [effects]", "shows: [\"${inputs.loss_max}\"]"),
    ("reference to no input", "${inputs.loss_max}", "${inputs.los_max}"),
    ("reference to no step", "${steps.look.", "${steps.lok."),
    ("reference to no output", "look.outputs.data_loss", "look.outputs.loss"),
    ("reference to a step that is not before", "needs: [look, watch]", "needs: [watch]"),
    ("reference of the wrong kind", "steps.look.outputs.data_loss", "steps.look.outputs.path"),
    ("reference to an output of the graceful variant only", "do: predict-loss", "do: fence"),
    ("input of the wrong kind", "type: duration", "type: integer"),
    ("input of no type", "type: duration", "type: span"),
    ("default that does not fit", "default: 5m", "default: soon"),
    ("default and required", "default: 5m", "default: 5m, required: true"),
    ("input that may be absent where it is needed", "lag_max: 30s", "lag_max: \"${inputs.note}\""),
    ("each on an action for the whole", "    do: probe", "    each: databases\n    do: probe"),
    (
        "no each where one is needed",
        "    each: databases\n    do: check-readiness",
        "    do: check-readiness",
    ),
    ("forced variant with another each", "do: predict-loss", "do: rehearse"),
    ("loss without approval", "do: approval", "do: gate"),
    (
        "guard that lets go on",
        "data_loss_max: \"${inputs.loss_max}\"\n",
        "data_loss_max: \"${inputs.loss_max}\"\n    on_failure: continue\n",
    ),
    ("approval by nobody", "approvals: 1", "approvals: 0"),
    ("approval by anybody", "role: approver", "role: viewer"),
    ("approval without the loss", "      data_loss: \"${steps.look.outputs.data_loss}\"\n", ""),
    ("a promotion without the lock", "exclusive: true", "exclusive: false"),
    ("wait that outlasts its step", "duration: 5s", "duration: 5m"),
    ("loss beside the approval", "needs: [ask]", "needs: [look]"),
    ("forced way through the active region", "    forced:\n      do: predict-loss\n", ""),
    ("forced way that names the active region", "with: { at: standby }", "with: { at: active }"),
    (
        "global control plane",
        "do: shift-traffic\n    with: { to: standby }",
        "do: weigh-traffic\n    with: { at: standby, percent: 100 }",
    ),
    (
        "twice what acts twice",
        "do: notify\n    with: { severity: info }",
        "each: databases\n    do: delete-expired\n    expect: gone\n    with: { at: standby, cap: 3 }",
    ),
    (
        "a vault of caches",
        "do: notify\n    with: { severity: info }",
        "each: caches\n    do: mark-expired\n    with: { at: vault }",
    ),
    (
        "points of buckets",
        "do: notify\n    with: { severity: info }",
        "each: buckets\n    do: mark-expired\n    with: { at: standby }",
    ),
    (
        "points of the side that is given up",
        "do: notify\n    with: { severity: info }",
        "each: caches\n    do: mark-expired\n    with: { at: active }",
    ),
    (
        "always what acts",
        "    expect: the standby writes\n",
        "    expect: it writes\n    always: true\n",
    ),
    (
        "always in the end",
        "    do: notify\n    with: { severity: info }",
        "    do: notify\n    always: true\n    with: { severity: info }",
    ),
    ("always after nothing", "    do: probe\n", "    always: true\n    do: probe\n"),
    (
        "always with what may be missing",
        "do: wait\n    with: { duration: 5s }",
        "always: true\n    each: databases\n    do: check-restored\n    with: { at: standby, secret: s, \
         data_time: \"2026-01-01T00:00:00Z\", cluster: \"${steps.look.outputs.path}\" }",
    ),
    (
        "still, and never let go",
        "    do: wait\n    with: { duration: 5s }",
        "    each: databases\n    do: run-hooks\n    with: { at: standby, when: before-snapshot }",
    ),
    ("no expectation", "    expect: the standby writes\n", ""),
    ("no way back", "way_back: sound\n", ""),
    ("too slow for the objective", "objectives: { rto: 10m }", "objectives: { rto: 8m }"),
    ("one of many", "message: \"${inputs.note}\"", "message: \"${steps.look.outputs.path}\""),
    (
        "a wait for each in the place of nothing",
        "do: wait\n    with: { duration: 5s }",
        "each: workloads\n    do: wait\n    with: { duration: 5s }",
    ),
    ("moved without the lock", "exclusive: true", "exclusive: false"),
    ("wait without an end", "with: { duration: 5s }", "with: { before: 5s }"),
    (
        "wait with two ends",
        "with: { duration: 5s }",
        "with: { duration: 5s, until: \"2026-01-01T00:00:00Z\" }",
    ),
    ("empty text", "title: Ask", "title: \"\""),
    ("list for a text", "title: Ask", "title: [Ask]"),
    ("list for a map", "objectives: { rto: 10m }", "objectives: [10m]"),
    ("no steps", "steps:", "steps: []\nundo:"),
    ("steps that are a text", "finally:", "undo: soon\nfinally:"),
    ("replaces something else", "exclusive: true", "exclusive: true\nreplaces: mine"),
    ("flag that is a word", "exclusive: true", "exclusive: yes"),
    ("duplicate key", "exclusive: true", "exclusive: true\nexclusive: true"),
    ("not YAML", "needs: []", "needs: ["),
];

/// Goal: a person who mends a file gets the whole list at once.
/// Method: one file with a mistake of every sort.
#[test]
fn all_mistakes_of_a_file_are_found_at_once() {
    let found = Runbook::check("bad.yaml", include_str!("bad.yaml")).findings;
    insta::assert_snapshot!(print::findings(&found));
}

/// Goal: a file with more steps than a plan may have costs little and is refused.
/// Method: a thousand steps that each need the one above.
#[test]
fn a_runbook_has_a_size() {
    let steps: String = (0..1_000)
        .map(|number| {
            format!("- {{ id: s{number}, title: s, do: gate, with: {{ asks: s }}, limit: 1m }}\n")
        })
        .collect();
    let found = Runbook::check("x", &format!("name: long\ntitle: Long\nsteps:\n{steps}")).findings;
    assert_eq!(
        print::findings(&found),
        "x:260:3: error: a runbook has 256 steps at most, before `each` is expanded [too-many-steps]\n"
    );
}

/// Goal: no file takes the place of another by accident, and no runbook leads back to nothing.
/// Method: user files next to the shipped ones.
#[test]
fn files_are_judged_next_to_each_other() {
    let own = SOUND.replace(": sound", ": rehearsal");
    let replacing = own.replace("exclusive: true", "exclusive: true\nreplaces: shipped");
    let nothing = SOUND.replace("exclusive: true", "exclusive: true\nreplaces: shipped");
    let astray = SOUND.replace("way_back: sound", "way_back: region-failbak");
    let broken = replacing.replace("do: probe", "do: prob");
    let mut table = String::new();
    for (name, files) in [
        ("a shipped name is taken", vec![("own.yaml", own.as_str())]),
        ("a shipped one is replaced", vec![("own.yaml", replacing.as_str())]),
        ("one is replaced twice", vec![("a.yaml", replacing.as_str()), ("b.yaml", &replacing)]),
        ("nothing is replaced", vec![("own.yaml", nothing.as_str())]),
        ("two files have one name", vec![("a.yaml", SOUND), ("b.yaml", SOUND)]),
        ("no way back is called so", vec![("own.yaml", astray.as_str())]),
        ("a broken one replaces", vec![("own.yaml", broken.as_str())]),
    ] {
        let library = Library::with(files);
        let rehearsal = library.get(&"rehearsal".parse().unwrap());
        let from = rehearsal.map_or("nowhere", |runbook| runbook.file.as_str());
        table += &format!("# {name}: rehearsal comes from {from}\n");
        table += &format!("{}\n", print::findings(library.findings()));
    }
    insta::assert_snapshot!(table);
}
