//! Two real servers behind the emulated global cluster, one in each region: what AWS says of its writer
//! is done to them.

use std::{fs, os::unix::fs::chown};

use muster::clock::Clock;

use super::{OWNER, OWNER_PASSWORD, Postgres, Side, carry_out};
use crate::{
    daemon::{PATIENCE, pause},
    door::Door,
    emulator::{EAST, Emulator, WEST},
};

/// The servers, and the doors through which everybody outside their own region reaches them. The east
/// begins as the one that is written, and the west streams from it.
#[derive(Debug)]
pub struct Pair {
    /// The servers: [`Side::Primary`] is the one in the east, whoever is written now.
    pub postgres: Postgres,
    east: Door,
    west: Door,
    /// The writer that a switchover has stopped, until the other one has taken its place.
    stopped: Option<Side>,
    /// So many effects of AWS have been looked at.
    seen: usize,
}

/// The server of a region.
pub fn server(region: &str) -> Side {
    if region == EAST { Side::Primary } else { Side::Replica }
}

impl Pair {
    /// Starts both; `None`, and a skip, where no server is installed.
    ///
    /// # Panics
    ///
    /// When they cannot be started.
    pub async fn start() -> Option<Pair> {
        let mut postgres = Postgres::start().await?;
        let east = Door::before(postgres.port(Side::Primary));
        postgres.replicate_through(east.port()).await;
        let west = Door::before(postgres.port(Side::Replica));
        Some(Pair { postgres, east, west, stopped: None, seen: 0 })
    }

    /// The door of a region's server.
    pub fn door(&self, region: &str) -> &Door {
        if region == EAST { &self.east } else { &self.west }
    }

    /// Does to the servers whatever AWS has begun or done with the writer since the last look.
    pub async fn follow(&mut self, world: &Emulator) {
        for effect in world.effects_after(self.seen).await {
            self.seen += 1;
            match effect.split_once(' ') {
                Some(("global-switchover-begun", to)) => self.hand_over(to).await,
                Some(("writer-moved", to)) => self.take_over(to).await,
                Some(_) | None => {}
            }
        }
    }

    /// A switchover stops the writer, and waits until the other one has everything.
    async fn hand_over(&mut self, to: &str) {
        let (to, from) = (server(to), server(other(to)));
        self.postgres.shut_down(from).await;
        self.stopped = Some(from);
        let end = self.postgres.end_of(from);
        self.postgres.replayed(to, &format!("> '{end}'")).await;
    }

    /// A server becomes the one that is written. After a switchover the other one streams from it; after a
    /// failover that one is left as it is.
    async fn take_over(&mut self, to: &str) {
        self.postgres.promote(server(to)).await;
        if let Some(from) = self.stopped.take() {
            let port = self.door(to).port();
            self.postgres.stream_from(from, port).await;
        }
    }
}

/// The region on the other side.
pub fn other(region: &str) -> &'static str {
    if region == EAST { WEST } else { EAST }
}

impl Postgres {
    /// The port of a server.
    pub fn port(&self, side: Side) -> u16 {
        self.server(side).port
    }

    /// Shuts a server down in good order: whoever streams from it is sent everything first.
    async fn shut_down(&mut self, side: Side) {
        let child = self.server_mut(side).child.as_mut().expect("it runs");
        let mut stop = std::process::Command::new("kill");
        stop.args(["-INT", &child.id().to_string()]);
        carry_out(stop);
        let until = Clock::Real.now() + PATIENCE;
        loop {
            let child = self.server_mut(side).child.as_mut().expect("it runs");
            if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                break;
            }
            assert!(Clock::Real.now() < until, "it does not end: {}", self.said(side));
            pause().await;
        }
        self.server_mut(side).child = None;
    }

    /// The place of the last record of a server that was shut down.
    fn end_of(&self, side: Side) -> String {
        let mut asked = self.program("pg_controldata");
        let said = asked.arg(&self.server(side).data).output().expect("a program of the server");
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("Latest checkpoint location:"));
        line.unwrap_or_else(|| panic!("no checkpoint: {text}")).trim().to_owned()
    }

    /// Makes a replica one that is written.
    ///
    /// # Panics
    ///
    /// When it refuses.
    pub async fn promote(&self, side: Side) {
        let promoted = self.ask(side, "select pg_promote(true, 60)").await;
        assert_eq!(promoted, Ok(vec![vec![Some("t".to_owned())]]), "{}", self.said(side));
    }

    /// Starts a server that was shut down, as a replica of the one behind a port.
    async fn stream_from(&mut self, side: Side, port: u16) {
        let data = self.server(side).data.clone();
        let from = format!("host=127.0.0.1 port={port} user={OWNER} password={OWNER_PASSWORD}");
        let file = data.join("postgresql.auto.conf");
        let settings = fs::read_to_string(&file).expect("settings");
        fs::write(&file, format!("{settings}primary_conninfo = '{from}'\n")).expect("written");
        let signal = data.join("standby.signal");
        fs::write(&signal, "").expect("written");
        if let Some(account) = self.account {
            chown(&signal, Some(account.user), Some(account.group)).expect("root may");
        }
        self.launch(side).await;
    }
}
