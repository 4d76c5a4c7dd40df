//! A door in front of a server: open, or as silent as a region that is lost.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

/// What passes here passes on to a server, while the door is open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Door {
    port: u16,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Debug)]
struct Inside {
    is_open: bool,
    /// Both ends of whatever passes now, and what waits before a shut door.
    streams: Vec<TcpStream>,
}

impl Door {
    /// An open door in front of a port of this machine.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub fn before(server: u16) -> Door {
        Door::late(server, Duration::ZERO)
    }

    /// An open door behind which every answer waits for a while, for a server that is faster than its callers
    /// bear.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub fn late(server: u16, wait: Duration) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let inside = Inside { is_open: true, streams: Vec::new() };
        let door = Door { port, inside: Arc::new(Mutex::new(inside)) };
        let watched = door.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever hangs up at once, or finds no server, is no trouble of the door's.
                let _ = watched.let_in(stream, server, wait);
            }
        });
        door
    }

    /// Where to knock.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same as `host:port`.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Breaks what passes. Whoever knocks from now on hears nothing.
    pub fn shut(&self) {
        self.turn(false);
    }

    /// Lets everybody in again. Those who waited must knock anew.
    pub fn open(&self) {
        self.turn(true);
    }

    fn turn(&self, is_open: bool) {
        let mut inside = self.inside.lock().expect("no one panics here");
        inside.is_open = is_open;
        for stream in inside.streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn let_in(&self, outer: TcpStream, server: u16, wait: Duration) -> std::io::Result<()> {
        let mut inside = self.inside.lock().expect("no one panics here");
        inside.streams.retain(|stream| stream.peer_addr().is_ok());
        if !inside.is_open {
            inside.streams.push(outer);
            return Ok(());
        }
        let inner = TcpStream::connect(("127.0.0.1", server))?;
        inside.streams.extend([outer.try_clone()?, inner.try_clone()?]);
        let ask = (outer.try_clone()?, inner.try_clone()?, Duration::ZERO);
        for (from, to, wait) in [ask, (inner, outer, wait)] {
            std::thread::spawn(move || carry(from, to, wait));
        }
        Ok(())
    }
}

/// Carries bytes one way until either end is gone, and then ends both.
#[expect(clippy::disallowed_methods, reason = "what passes is late by real time")]
fn carry(mut from: TcpStream, mut to: TcpStream, wait: Duration) {
    let mut bytes = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
