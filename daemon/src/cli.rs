//! The command line: a client of the API, and the verbs that need no daemon.
//!
//! `main` carries out `serve`, `demo`, `observe` and `state`, which start or open something; everything else is
//! carried out here.

mod approve;
mod ask;
mod backups;
mod by_hand;
mod canary;
mod client;
mod compare;
mod detection;
mod disk;
mod files;
mod finding;
mod freeze;
mod glass;
mod hold;
mod objectives;
mod observe;
mod plan;
mod preview;
mod readiness;
mod report;
mod say;
mod show;
mod terminal;
mod token;
mod watch;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub use self::{
    approve::Approve,
    ask::Ask,
    backups::Backups,
    by_hand::ByHand,
    canary::Canary,
    client::{Client, Connection, Failure},
    compare::Compare,
    detection::{Acknowledge, Detection, Downtime},
    files::Lint,
    finding::{Finding, Findings},
    freeze::{Freeze, Thaw},
    glass::Glass,
    hold::Hold,
    objectives::Objectives,
    observe::Observe,
    plan::Plan,
    preview::Preview,
    readiness::Readiness,
    report::Report,
    say::{About, Step},
    show::Status,
    terminal::Terminal,
    watch::Watch,
};

/// The version, with the id of the sources it was built from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (build ", env!("MUSTER_BUILD_ID"), ")");

/// Disaster recovery by runbook.
#[derive(Debug, Parser)]
#[command(name = "muster", version = VERSION, max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 the answer is no, 2 bad use, 3 cannot reach the daemon."
)]
pub struct Cli {
    /// What holds for every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What holds for every verb.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The daemon.
    #[arg(
        long,
        global = true,
        env = "MUSTER_SERVER",
        default_value = "http://127.0.0.1:8000",
        value_name = "URL"
    )]
    pub server: String,
    /// The file that holds your token; else the environment variable MUSTER_TOKEN does.
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The PEM file of the authority that signed the daemon's certificate.
    #[arg(long, global = true, env = "MUSTER_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// For people or for programs.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// For whom the output is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the daemon.
    Serve(Serve),
    /// Run a daemon over two simulated regions, to play with.
    Demo(Demo),
    /// Watch applications from one place, and say what is seen to whoever asks, signed.
    Observe(Observe),
    /// Look after a state directory while no daemon has it open.
    #[command(subcommand)]
    State(State),
    /// Everything else.
    #[command(flatten)]
    Client(ClientVerb),
}

/// Arguments of `serve`.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// A file that holds the time, for tests against emulators on loopback.
    #[arg(long, value_name = "FILE", hide = true)]
    pub clock_file: Option<PathBuf>,
}

/// Arguments of `demo`.
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// How many times as fast as real time.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub speed: u32,
    /// The seed of the simulated world.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where the API and the page listen.
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    pub listen: std::net::SocketAddr,
    /// End when the story is told; the exit code is 0 only when backup and failover succeeded.
    #[arg(long)]
    pub exit: bool,
}

/// Verbs for a state directory.
#[derive(Clone, Debug, Subcommand)]
pub enum State {
    /// Read every record and check the chain.
    Verify {
        /// The state directory.
        dir: PathBuf,
    },
    /// Write every record with its hash into one file.
    Export {
        /// The state directory.
        dir: PathBuf,
        /// The file to write.
        to: PathBuf,
    },
    /// Rebuild the progress from the log, or both from an export.
    Restore {
        /// The state directory.
        dir: PathBuf,
        /// The export to take everything from, or the prefix below which a log was shipped; what lies
        /// in a bucket is fetched with the credentials and the region of the environment.
        #[arg(long, value_name = "FILE|s3://BUCKET/KEY|s3://BUCKET/PREFIX/")]
        from: Option<String>,
        /// Set a log that is there aside instead of refusing.
        #[arg(long, requires = "from")]
        set_aside: bool,
    },
    /// Cut a damaged log at its last intact record, and set the rest aside.
    Repair {
        /// The state directory.
        dir: PathBuf,
    },
}

/// The verbs that are carried out here.
#[derive(Debug, Subcommand)]
pub enum ClientVerb {
    /// Check runbooks, applications, schedules and configurations.
    Lint(Lint),
    /// Print what a runbook would do, from files alone.
    Plan(Plan),
    /// Let the daemon look, and print what each step would do now. Begins nothing.
    Preview(Preview),
    /// Start a run.
    Run(Ask),
    /// Show what is open and what is protected, or one run.
    Status(Status),
    /// Follow a run until it ends.
    Watch(Watch),
    /// Approve a step, after showing what it means.
    Approve(Approve),
    /// Approve alone, by what approvers sealed beforehand; or seal that, on a calm day.
    BreakGlass(Glass),
    /// Decline a step that asks for approval; the run fails.
    Decline(Step),
    /// Begin nothing new in a run.
    Pause(About),
    /// Go on with a paused run.
    Resume(About),
    /// Try a failed step again.
    Retry(Step),
    /// Go past a step.
    Skip(Step),
    /// Say that you did a step's work, or open a gate.
    Done(say::Done),
    /// Write something down in a run.
    Note(About),
    /// Give the active side up: take the forced variants.
    Force(About),
    /// Give a run up.
    Abandon(say::Abandon),
    /// Let a run go on although nobody can read whose the lease is.
    OverrideLease(About),
    /// Begin nothing anywhere.
    Off(say::Off),
    /// Act again.
    On(say::Switch),
    /// List recovery points, newest data first.
    Backups(Backups),
    /// Hold a recovery point: it is neither marked nor deleted.
    Hold(Hold),
    /// Lift a hold on a recovery point.
    Release(Hold),
    /// Show what could be kept today of what was promised, and why.
    Objectives(Objectives),
    /// Show what is wrong or unknown, and who looks after it.
    Findings(Findings),
    /// Raise a finding, give it to somebody, or settle it.
    Finding(Finding),
    /// Show whether an application could be moved now, and what is missing.
    Readiness(Readiness),
    /// Show what those who watch say, and what follows.
    Detection(Detection),
    /// Say that the last move of an application is known and settled.
    Acknowledge(Acknowledge),
    /// Declare downtime: nothing is proposed, and nobody is paged.
    Downtime(Downtime),
    /// Let nothing change an application for a while, or ask whether something may.
    Freeze(Freeze),
    /// End a freeze that a person asked for.
    Thaw(Thaw),
    /// Print every command of a runbook, to be typed where Muster cannot.
    ByHand(ByHand),
    /// Fetch the report of a run for auditors; verify one without a daemon; make the key that signs it.
    Report(Report),
    /// Compare two buckets, without a daemon.
    CompareBuckets(Compare),
    /// The rows by which replication is measured.
    #[command(subcommand)]
    Canary(Canary),
    /// Make a token.
    Token(token::Make),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How a command ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Done.
    Done,
    /// The answer is no.
    No,
    /// Bad use.
    BadUse,
    /// The daemon cannot be reached, or cannot take it now.
    Unreachable,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> std::process::ExitCode {
        let code: u8 = match exit {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::BadUse => 2,
            Exit::Unreachable => 3,
        };
        code.into()
    }
}

/// Carries a verb out, and says how it ended. Everything is printed to `terminal`.
pub async fn carry_out(verb: ClientVerb, global: &Global, terminal: &mut Terminal) -> Exit {
    if let ClientVerb::ByHand(args) = &verb
        && let Some(state) = &args.state
    {
        let done = by_hand::read(args, state, terminal);
        return done.unwrap_or_else(|failure| terminal.failure(&failure));
    }
    if let ClientVerb::Report(Report { verb: Some(verb), .. }) = &verb {
        let done = report::offline(verb, terminal);
        return done.unwrap_or_else(|failure| terminal.failure(&failure));
    }
    if let ClientVerb::Freeze(Freeze { verb: Some(freeze::Verb::Check(check)), .. }) = &verb
        && let Some(from) = &check.from
    {
        let done = freeze::check_from(&check.application, from, terminal).await;
        return done.unwrap_or_else(|failure| terminal.failure(&failure));
    }
    if let ClientVerb::BreakGlass(Glass { verb }) = &verb
        && let Some(done) = glass::offline(verb, terminal)
    {
        return done.unwrap_or_else(|failure| terminal.failure(&failure));
    }
    let done = match verb {
        ClientVerb::Lint(args) => files::lint(&args, terminal),
        ClientVerb::Plan(args) => plan::plan(&args, terminal),
        ClientVerb::CompareBuckets(args) => compare::compare(&args, terminal).await,
        ClientVerb::Canary(verb) => canary::canary(&verb, terminal),
        ClientVerb::Token(args) => token::make(&args, terminal),
        ClientVerb::Off(args) => say::off(args, global, terminal).await,
        ClientVerb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "muster", &mut script);
            terminal.raw(&script);
            Ok(Exit::Done)
        }
        ClientVerb::Preview(_)
        | ClientVerb::Run(_)
        | ClientVerb::Status(_)
        | ClientVerb::Watch(_)
        | ClientVerb::Approve(_)
        | ClientVerb::BreakGlass(_)
        | ClientVerb::Findings(_)
        | ClientVerb::Finding(_)
        | ClientVerb::Decline(_)
        | ClientVerb::Pause(_)
        | ClientVerb::Resume(_)
        | ClientVerb::Retry(_)
        | ClientVerb::Skip(_)
        | ClientVerb::Done(_)
        | ClientVerb::Note(_)
        | ClientVerb::Force(_)
        | ClientVerb::Abandon(_)
        | ClientVerb::OverrideLease(_)
        | ClientVerb::On(_)
        | ClientVerb::Hold(_)
        | ClientVerb::Release(_)
        | ClientVerb::Backups(_)
        | ClientVerb::Objectives(_)
        | ClientVerb::Detection(_)
        | ClientVerb::Acknowledge(_)
        | ClientVerb::Downtime(_)
        | ClientVerb::Readiness(_)
        | ClientVerb::ByHand(_)
        | ClientVerb::Report(_)
        | ClientVerb::Freeze(_)
        | ClientVerb::Thaw(_) => match Client::new(&Connection::of(global)) {
            Ok(client) => ask(verb, &client, terminal).await,
            Err(failure) => Err(failure),
        },
    };
    done.unwrap_or_else(|failure| terminal.failure(&failure))
}

async fn ask(verb: ClientVerb, client: &Client, terminal: &mut Terminal) -> Result<Exit, Failure> {
    match verb {
        ClientVerb::Preview(args) => preview::preview(args, client, terminal).await,
        ClientVerb::Run(args) => ask::run(args, client, terminal).await,
        ClientVerb::Status(args) => show::status(&args, client, terminal).await,
        ClientVerb::Watch(args) => watch::watch(&args.run, client, terminal).await,
        ClientVerb::Approve(args) => approve::approve(args, client, terminal).await,
        ClientVerb::BreakGlass(Glass { verb: glass::Verb::Open(args) }) => {
            glass::open(args, client, terminal).await
        }
        ClientVerb::Findings(args) => finding::list(&args, client, terminal).await,
        ClientVerb::Finding(args) => finding::say(args, client, terminal).await,
        ClientVerb::Decline(args) => say::decline(args, client, terminal).await,
        ClientVerb::Pause(args) => say::about("pause", args, client, terminal).await,
        ClientVerb::Resume(args) => say::about("resume", args, client, terminal).await,
        ClientVerb::Note(args) => say::about("note", args, client, terminal).await,
        ClientVerb::Force(args) => say::about("force", args, client, terminal).await,
        ClientVerb::Retry(args) => say::step("retry", args, client, terminal).await,
        ClientVerb::Skip(args) => say::step("skip", args, client, terminal).await,
        ClientVerb::Done(args) => say::done(args, client, terminal).await,
        ClientVerb::Abandon(args) => say::abandon(args, client, terminal).await,
        ClientVerb::OverrideLease(args) => {
            say::about("override-lease", args, client, terminal).await
        }
        ClientVerb::On(args) => say::switch("on", args, client, terminal).await,
        ClientVerb::Hold(args) => hold::say("holds", args, client, terminal).await,
        ClientVerb::Release(args) => hold::say("holds/release", args, client, terminal).await,
        ClientVerb::Backups(args) => backups::backups(&args, client, terminal).await,
        ClientVerb::Objectives(args) => objectives::objectives(&args, client, terminal).await,
        ClientVerb::Detection(args) => detection::detection(&args, client, terminal).await,
        ClientVerb::Acknowledge(args) => detection::acknowledge(args, client, terminal).await,
        ClientVerb::Downtime(args) => detection::downtime(args, client, terminal).await,
        ClientVerb::Readiness(args) => readiness::readiness(&args, client, terminal).await,
        ClientVerb::ByHand(args) => by_hand::ask(&args, client, terminal).await,
        ClientVerb::Report(args) => report::fetch(&args, client, terminal).await,
        ClientVerb::Freeze(args) => freeze::freeze(args, client, terminal).await,
        ClientVerb::Thaw(args) => freeze::thaw(args, client, terminal).await,
        ClientVerb::Lint(_)
        | ClientVerb::Plan(_)
        | ClientVerb::CompareBuckets(_)
        | ClientVerb::Canary(_)
        | ClientVerb::Token(_)
        | ClientVerb::Off(_)
        | ClientVerb::BreakGlass(_)
        | ClientVerb::Completions { .. } => Ok(Exit::BadUse),
    }
}
