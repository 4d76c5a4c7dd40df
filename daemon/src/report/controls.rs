//! Part 8: which part answers which control of the usual frameworks, and what it lacks for it.
//!
//! Whether a control is met, auditors judge. This says where to look, and what they will not find.

use muster_runbooks::value::words;
use serde::{Deserialize, Serialize};

use super::{
    Answer, List,
    absent::Absent,
    account::{Account, Child},
    duties::Duty,
    findings::Findings,
    heading::Kind,
    scope::Touch,
};

words! {
    /// How far a report answers a control.
    Cover {
        /// Nothing that it could say is missing.
        Whole = "what Muster can say",
        /// Something is missing, and it is said what.
        Part = "in part",
        /// It says nothing about it.
        None = "not answered",
    }
}

/// One control, and where its answer stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Control {
    /// The framework.
    pub framework: String,
    /// Its number there.
    pub control: String,
    /// What it asks for, in short.
    pub asks: String,
    /// The parts of this report that answer.
    pub parts: Vec<u8>,
    /// How far.
    pub cover: Cover,
    /// What is missing for it.
    pub missing: Vec<String>,
}

/// What a report may lack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gap {
    /// The run is not over.
    Open,
    /// It exercised no recovery.
    NoExercise,
    /// It only printed.
    NothingBegun,
    /// A run that moved the application, without a recovery time.
    Time,
    /// A run that promoted a database, without a measured loss.
    Loss,
    /// No check of the data passed, or one failed.
    Data,
    /// Components that no step worked on.
    LeftOut,
    /// What was made for the exercise may not be gone.
    Clean,
    /// The way back was not gone.
    Back,
    /// Backups, or proofs that they restore, are on no schedule.
    Backups,
    /// Nothing is known about the application's findings.
    Findings,
    /// Not everything of the period is known.
    Period,
    /// No adversary took part.
    Adversary,
}

struct Row {
    framework: &'static str,
    control: &'static str,
    asks: &'static str,
    parts: &'static [u8],
    needs: &'static [Gap],
}

const SOC: &str = "SOC 2 (2017 criteria)";
const ISO: &str = "ISO/IEC 27001:2022, annex A";
const DORA: &str = "DORA (EU) 2022/2554";

const ROWS: &[Row] = &[
    Row {
        framework: SOC,
        control: "A1.2",
        asks: "recovery infrastructure and backups are run, watched and kept up",
        parts: &[1, 5, 7, 9],
        needs: &[Gap::Backups, Gap::LeftOut, Gap::Findings, Gap::Period],
    },
    Row {
        framework: SOC,
        control: "A1.3",
        asks: "recovery is tested: real time and loss are measured, backed-up data is proven, gaps are closed",
        parts: &[1, 3, 4, 5, 6, 7, 9],
        needs: &[
            Gap::NoExercise,
            Gap::NothingBegun,
            Gap::Open,
            Gap::Time,
            Gap::Loss,
            Gap::Data,
            Gap::LeftOut,
        ],
    },
    Row {
        framework: SOC,
        control: "CC7.5",
        asks: "recovery from an incident is carried out, and learnt from",
        parts: &[4, 6, 7],
        needs: &[Gap::NoExercise, Gap::NothingBegun, Gap::Open, Gap::Back],
    },
    Row {
        framework: ISO,
        control: "A.5.29",
        asks: "security holds during a disruption: who approved what, which risks were accepted, what was passed by",
        parts: &[1, 2, 4, 6],
        needs: &[Gap::NoExercise, Gap::NothingBegun, Gap::Open],
    },
    Row {
        framework: ISO,
        control: "A.5.30",
        asks: "ICT is ready for continuity: objectives are set, and tested",
        parts: &[3, 4, 5, 7, 9],
        needs: &[Gap::NoExercise, Gap::NothingBegun, Gap::Open, Gap::Time, Gap::Loss, Gap::Back],
    },
    Row {
        framework: ISO,
        control: "A.8.13",
        asks: "backups are made by a policy, and tested",
        parts: &[5, 6, 9],
        needs: &[Gap::Backups, Gap::Data, Gap::Clean, Gap::Period],
    },
    Row {
        framework: DORA,
        control: "Art. 24",
        asks: "digital operational resilience is tested by a programme, and what is found is dealt with",
        parts: &[1, 2, 7, 9],
        needs: &[Gap::NoExercise, Gap::Findings, Gap::Period],
    },
    Row {
        framework: DORA,
        control: "Art. 25",
        asks: "tools and systems are tested, by scenarios and end to end among others",
        parts: &[1, 3, 4, 5, 6],
        needs: &[Gap::NoExercise, Gap::NothingBegun, Gap::Open, Gap::LeftOut, Gap::Clean],
    },
    Row {
        framework: DORA,
        control: "Art. 26",
        asks: "advanced tests by threat-led penetration",
        parts: &[],
        needs: &[Gap::Adversary],
    },
];

/// Which part answers which control.
pub fn make(
    run: &Account,
    children: &List<Child>,
    findings: &Findings,
    absent: &Absent,
) -> Vec<Control> {
    let accounts: Vec<&Account> =
        children.items.iter().filter_map(|child| child.account.as_deref()).chain([run]).collect();
    let gaps = gaps(run, &accounts, findings, absent);
    let control = |row: &Row| {
        let missing: Vec<String> = gaps
            .iter()
            .filter(|(gap, _)| row.needs.contains(gap))
            .map(|(_, why)| why.clone())
            .collect();
        let cover = match (row.parts.is_empty(), missing.is_empty()) {
            (true, _) => Cover::None,
            (false, true) => Cover::Whole,
            (false, false) => Cover::Part,
        };
        Control {
            framework: row.framework.to_owned(),
            control: row.control.to_owned(),
            asks: row.asks.to_owned(),
            parts: row.parts.to_vec(),
            cover,
            missing,
        }
    };
    ROWS.iter().map(control).collect()
}

/// What the report lacks, each in words. What a run started counts with it.
fn gaps(
    run: &Account,
    accounts: &[&Account],
    findings: &Findings,
    absent: &Absent,
) -> Vec<(Gap, String)> {
    let mut gaps = Vec::new();
    let mut lacks = |gap, holds: bool, why: &str| {
        if holds {
            gaps.push((gap, why.to_owned()));
        }
    };
    // A run that started others moved nothing by itself.
    let moves = |one: &&&Account| {
        matches!(one.heading.kind, Kind::Switchover | Kind::Failover)
            && one.results.recovery.is_some()
    };
    let moved: Vec<&&Account> = accounts.iter().filter(moves).collect();
    let is_move = matches!(run.heading.kind, Kind::Switchover | Kind::Failover);
    lacks(Gap::Open, run.heading.open, "the run is not over");
    lacks(Gap::NoExercise, run.heading.kind == Kind::Upkeep, "the run exercised no recovery");
    lacks(
        Gap::NothingBegun,
        run.heading.kind == Kind::Tabletop,
        "nothing was begun: it was printed",
    );
    let all_moved =
        |is: &dyn Fn(&Account) -> bool| !moved.is_empty() && moved.iter().all(|one| is(one));
    let timed = |one: &Account| one.results.recovery.as_ref().is_some_and(|it| it.total.is_some());
    lacks(Gap::Time, is_move && !all_moved(&timed), "the recovery time is unknown");
    let lost =
        |one: &Account| one.results.losses.as_ref().is_none_or(|it| it.measured.secs.is_some());
    lacks(Gap::Loss, is_move && !all_moved(&lost), "the loss was not measured");
    let proven = |answer| accounts.iter().any(|one| one.results.data_proven() == answer);
    lacks(Gap::Data, proven(Answer::No), "a check of the data failed");
    let is_unproven = !proven(Answer::No) && !proven(Answer::Yes);
    lacks(Gap::Data, is_unproven, "no check of the data itself passed in this run");
    let left_out = left_out(accounts);
    let names = format!("no step worked on {}", left_out.join(", "));
    lacks(Gap::LeftOut, !left_out.is_empty(), &names);
    for one in accounts {
        let clean = &one.deviations.clean_up;
        let why = format!("left behind or not known to be gone: {}", clean.because);
        lacks(Gap::Clean, clean.clean != Answer::Yes, &why);
        let back = one.deviations.way_back.as_ref().filter(|back| back.done != Answer::Yes);
        let why = back.map(|back| format!("the way back: {}", back.because));
        lacks(Gap::Back, why.is_some(), why.as_deref().unwrap_or_default());
    }
    for one in &absent.unscheduled {
        let is_backup = matches!(one.duty, Duty::Backup | Duty::RestoreTest);
        lacks(Gap::Backups, is_backup, &format!("no schedule has a {}", one.duty));
    }
    lacks(Gap::Findings, !findings.known, "nothing is known of the application's findings");
    lacks(Gap::Period, absent.partly_unknown, "the journal is younger than the period");
    lacks(Gap::Adversary, true, "no adversary took part: this is no penetration test");
    gaps
}

/// The components of the application that none of the runs worked on.
fn left_out(accounts: &[&Account]) -> Vec<String> {
    let scopes = || accounts.iter().filter_map(|one| one.heading.scope.as_ref());
    let all = scopes().flat_map(|scope| &scope.components.items);
    let touched = |name: &str, kind: &str| {
        scopes()
            .flat_map(|scope| &scope.components.items)
            .any(|one| one.name == name && one.kind == kind && one.touch != Touch::LeftOut)
    };
    let mut names: Vec<String> = all
        .filter(|one| !touched(&one.name, &one.kind))
        .map(|one| format!("{} `{}`", one.kind, one.name))
        .collect();
    names.sort();
    names.dedup();
    names
}
