//! Somebody who uses the application: finds where it is written, writes numbered rows there, and remembers
//! which were acknowledged, by which side and when.

mod lease;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use muster::{clock::Clock, world::dns};
use muster_runbooks::application::Traffic;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::{
    daemon::pause,
    emulator::{EAST, WEST},
    postgres::{OWNER, OWNER_PASSWORD},
};

pub use lease::Lease;

/// The table that the rows are written to.
pub const TABLE: &str = "create table ledger \
     (number bigint primary key, side text not null, at timestamptz not null)";

/// No test writes more.
const ROWS_MAX: usize = 20_000;

/// After so many rows the name is looked up again, as a client with a short-lived answer does.
const LOOKED_UP_EVERY: u64 = 10;

/// A server that has not answered by then is given up, by the machine's time.
const PATIENCE: SignedDuration = SignedDuration::from_secs(1);

/// A row that a server has acknowledged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// Its number, which no other row has.
    pub number: i64,
    /// The region whose server took it.
    pub side: &'static str,
    /// Before it was sent, by the clock of the test world.
    pub sent_at: Timestamp,
    /// After it was acknowledged.
    pub taken_at: Timestamp,
}

/// How a client finds where to write.
#[derive(Clone, Debug)]
pub enum Finds {
    /// By the application's name, at the zone's own name servers.
    ByName(Box<Traffic>),
    /// It has connected long ago and asks nobody.
    Always(&'static str),
}

/// A client before it begins.
#[derive(Debug)]
pub struct Client {
    /// The number of its first row.
    pub first: i64,
    /// How it finds where to write.
    pub finds: Finds,
    /// The port of the server in the east and of the one in the west.
    pub ports: [u16; 2],
    /// The clock of the test world.
    pub clock: Clock,
    /// The lease without which it does not write, if the application holds one.
    pub lease: Option<Lease>,
}

/// A client at work, until it is dropped.
#[derive(Debug)]
pub struct Writing {
    ends: Arc<AtomicBool>,
    rows: Arc<Mutex<Vec<Row>>>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Begins. It works on a thread of its own, so that it goes on while a test waits for something else.
    ///
    /// # Panics
    ///
    /// When the machine has no thread left.
    pub fn start(self) -> Writing {
        let (ends, rows) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (is_over, taken) = (Arc::clone(&ends), Arc::clone(&rows));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(self.work(&is_over, &taken));
        });
        Writing { ends, rows, thread: Some(thread) }
    }

    /// About twenty rows a second, as long as somebody takes them.
    async fn work(mut self, ends: &AtomicBool, rows: &Mutex<Vec<Row>>) {
        let (mut side, mut line, mut turns) = (None, None, 0_u64);
        while !ends.load(Ordering::SeqCst) {
            if turns.is_multiple_of(LOOKED_UP_EVERY) {
                let found = self.look_up().await;
                if found != side {
                    (side, line) = (found, None);
                }
            }
            turns += 1;
            let taken = match side {
                Some(side) => self.write(side, &mut line).await,
                None => None,
            };
            match taken {
                Some(row) => {
                    let mut rows = rows.lock().expect("no one panics here");
                    rows.push(row);
                    assert!(rows.len() < ROWS_MAX, "more rows than any test needs");
                }
                // Whatever is wrong there, the next try looks the name up and connects anew.
                None => (line, turns) = (None, 0),
            }
            pause().await;
            pause().await;
        }
    }

    async fn look_up(&self) -> Option<&'static str> {
        match &self.finds {
            Finds::Always(side) => Some(side),
            Finds::ByName(traffic) => {
                let heard = dns::ask(traffic).await.ok()?;
                [EAST, WEST].into_iter().find(|side| heard.says(side))
            }
        }
    }

    /// Writes the next row at a side. A number that was not acknowledged is not used again: nobody knows
    /// what became of it.
    async fn write(&mut self, side: &'static str, line: &mut Option<Line>) -> Option<Row> {
        if let Some(lease) = &mut self.lease
            && !lease.allows(side, &self.clock).await
        {
            return None;
        }
        if line.is_none() {
            let port = self.ports[usize::from(side == WEST)];
            *line = within(Line::open(port)).await.flatten();
        }
        let line = line.as_mut()?;
        let (number, sent_at) = (self.first, self.clock.now());
        self.first += 1;
        let row =
            format!("insert into ledger values ({number}, '{side}', '{sent_at}') returning number");
        let is_taken = within(line.ask(&row)).await.unwrap_or(false);
        is_taken.then(|| Row { number, side, sent_at, taken_at: self.clock.now() })
    }
}

impl Writing {
    /// What was acknowledged so far, in the order of the answers.
    ///
    /// # Panics
    ///
    /// When the client has ended in a panic of its own.
    pub fn rows(&self) -> Vec<Row> {
        self.rows.lock().expect("no one panics here").clone()
    }

    /// The same of one side.
    pub fn rows_of(&self, side: &str) -> Vec<Row> {
        self.rows().into_iter().filter(|row| row.side == side).collect()
    }

    /// Stops the client, and says what was acknowledged.
    ///
    /// # Panics
    ///
    /// When the client has ended in a panic of its own.
    pub fn stop(&mut self) -> Vec<Row> {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the client ends well");
        }
        self.rows()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One connection.
struct Line {
    client: tokio_postgres::Client,
    connection: BoxFuture<'static, Result<(), tokio_postgres::Error>>,
}

impl Line {
    async fn open(port: u16) -> Option<Line> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).dbname("postgres");
        config.user(OWNER).password(OWNER_PASSWORD);
        let (client, connection) = config.connect(NoTls).await.ok()?;
        Some(Line { client, connection: Box::pin(connection) })
    }

    /// Whether a statement gave a row.
    async fn ask(&mut self, statement: &str) -> bool {
        let Line { client, connection } = self;
        tokio::select! {
            biased;
            answer = client.simple_query(statement) => answer.is_ok_and(|messages| {
                messages.iter().any(|one| matches!(one, SimpleQueryMessage::Row(_)))
            }),
            _ = connection => false,
        }
    }
}

async fn within<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = Clock::Real.sleep(PATIENCE) => None,
    }
}
