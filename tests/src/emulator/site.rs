//! A small web server that answers what a test tells it to, and remembers what came.

use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

/// A site on loopback.
#[derive(Clone, Debug)]
pub struct Site {
    port: u16,
    status: Arc<AtomicU16>,
    body: Arc<Mutex<String>>,
    taken: Arc<Mutex<Vec<Taken>>>,
    kill: Arc<Mutex<Option<Kill>>>,
}

/// A process that is to be killed at a request.
#[derive(Clone, Copy, Debug)]
struct Kill {
    pid: u32,
    at: usize,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its header lines, in lower case.
    pub head: String,
    /// Its body.
    pub body: String,
}

impl Site {
    /// A site that answers with a status.
    pub fn start(status: u16) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let status = Arc::new(AtomicU16::new(status));
        let (body, taken, kill) = (Arc::default(), Arc::default(), Arc::default());
        let site = Site { port, status, body, taken, kill };
        let answering = site.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A caller that hangs up is its own business.
                let _ = answering.answer(stream);
            }
        });
        site
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Answers with another status from now on; 0 breaks connections.
    pub fn set(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Answers with this text from now on.
    pub fn say(&self, body: &str) {
        body.clone_into(&mut self.body.lock().expect("no one panics here"));
    }

    /// What came so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().expect("no one panics here").clone()
    }

    /// Kills a process at the `nth` request from now on, which is taken and not answered. Without a
    /// process, nobody is killed any more.
    pub fn kill(&self, pid: Option<u32>, nth: usize) {
        let at = self.taken().len() + nth;
        *self.kill.lock().expect("no one panics here") = pid.map(|pid| Kill { pid, at });
    }

    /// Whether a request was the one to kill at; then it is done.
    fn kills(&self, number: usize) -> bool {
        let kill = *self.kill.lock().expect("no one panics here");
        let Some(kill) = kill.filter(|kill| kill.at == number) else { return false };
        Command::new("kill").args(["-9", &kill.pid.to_string()]).status().is_ok()
    }

    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            let line = line.to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let number = {
            let mut taken = self.taken.lock().expect("no one panics here");
            taken.push(Taken { head, body });
            taken.len()
        };
        if self.kills(number) {
            return Ok(());
        }
        let status = self.status.load(Ordering::SeqCst);
        if status == 0 {
            return Ok(());
        }
        let body = self.body.lock().expect("no one panics here").clone();
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n");
        let elsewhere = if status == 302 { "Location: http://169.254.169.254/\r\n" } else { "" };
        write!(reader.into_inner(), "{answer}{elsewhere}\r\n{body}")
    }
}
