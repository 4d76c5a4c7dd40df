//! A real PostgreSQL for one test: a primary, and a replica that streams from it. On loopback, in a
//! folder of its own, gone at the end.

pub mod pair;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use muster::clock::Clock;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::{
    daemon::{PATIENCE, free_port, pause},
    emulator::skip,
};

/// Where Debian keeps the programs of a server, newest first.
const FOLDERS: &[&str] =
    &["/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin"];

/// The owner of the server.
pub const OWNER: &str = "postgres";
/// Its password.
pub const OWNER_PASSWORD: &str = "only-for-tests";

/// A primary and perhaps a replica.
#[derive(Debug)]
pub struct Postgres {
    primary: Server,
    replica: Option<Server>,
    programs: PathBuf,
    account: Option<Account>,
    folder: tempfile::TempDir,
}

/// Who may be a server where root may not.
#[derive(Clone, Copy, Debug)]
struct Account {
    user: u32,
    group: u32,
}

/// One server.
#[derive(Debug)]
struct Server {
    data: PathBuf,
    port: u16,
    more: Vec<String>,
    child: Option<Child>,
}

/// Which of the two is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The one that is written.
    Primary,
    /// The one that streams from it.
    Replica,
}

/// The rows of an answer, or the SQLSTATE of a refusal.
pub type Answer = Result<Vec<Vec<Option<String>>>, String>;

impl Postgres {
    /// Starts a primary; `None`, and a skip, where no server is installed.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn start() -> Option<Postgres> {
        Postgres::with(&[]).await
    }

    /// The same with settings of its own, such as `ssl=on`.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn with(settings: &[&str]) -> Option<Postgres> {
        let programs = FOLDERS.iter().map(Path::new).find(|at| at.join("initdb").is_file());
        let Some(programs) = programs else {
            skip("postgresql", "not installed: apt-get install postgresql");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let account = account();
        if let Some(account) = account {
            chown(folder.path(), Some(account.user), Some(account.group)).expect("root may");
        }
        let data = folder.path().join("primary");
        let more = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let primary = Server { data, port: free_port(), more, child: None };
        let programs = programs.to_owned();
        let mut postgres = Postgres { primary, replica: None, programs, account, folder };
        postgres.init();
        postgres.launch(Side::Primary).await;
        Some(postgres)
    }

    /// Adds a replica.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn replicate(&mut self) {
        self.replicate_through(self.primary.port).await;
    }

    /// The same by way of another port, which leads to the primary.
    async fn replicate_through(&mut self, port: u16) {
        let data = self.folder.path().join("replica");
        let (port, to) = (port.to_string(), data.display().to_string());
        let arguments =
            ["-h", "127.0.0.1", "-p", &port, "-U", OWNER, "-D", &to, "-X", "stream", "-R"];
        let mut copy = self.program("pg_basebackup");
        copy.args(arguments).args(["-c", "fast", "--no-sync"]).env("PGPASSWORD", OWNER_PASSWORD);
        carry_out(copy);
        self.replica = Some(Server { data, port: free_port(), more: Vec::new(), child: None });
        self.launch(Side::Replica).await;
    }

    fn init(&self) {
        let password = self.folder.path().join("password");
        fs::write(&password, OWNER_PASSWORD).expect("written");
        fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).expect("ours");
        let mut init = self.program("initdb");
        init.arg("-D").arg(&self.primary.data).arg("--pwfile").arg(&password);
        init.args(["-U", OWNER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"]);
        init.args(["--no-sync", "--no-instructions"]);
        carry_out(init);
    }

    /// A program of the server, as somebody whom it does not refuse to serve.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = match self.account {
            None => Command::new(path),
            // It becomes the program, so that its process is the server's.
            Some(Account { user, group }) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &user.to_string(), "--regid", &group.to_string()]);
                command.args(["--clear-groups", "--"]).arg(path);
                command
            }
        };
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn server(&self, side: Side) -> &Server {
        match side {
            Side::Primary => &self.primary,
            Side::Replica => self.replica.as_ref().expect("a replica was added"),
        }
    }

    fn server_mut(&mut self, side: Side) -> &mut Server {
        match side {
            Side::Primary => &mut self.primary,
            Side::Replica => self.replica.as_mut().expect("a replica was added"),
        }
    }

    /// Starts a server that was added or stopped, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn launch(&mut self, side: Side) {
        let log = self.folder.path().join(format!("{side:?}.log"));
        let log = fs::File::options().create(true).append(true).open(log).expect("a log");
        let server = self.server(side);
        let mut command = self.program("postgres");
        command.arg("-D").arg(&server.data).args(["-p", &server.port.to_string()]);
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "shared_buffers=16MB",
            "max_connections=40",
            "autovacuum=off",
            "wal_receiver_status_interval=1s",
        ];
        for setting in settings.iter().copied().chain(server.more.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        command.stdout(Stdio::null()).stderr(Stdio::from(log));
        let child = command.spawn().expect("the server starts");
        self.server_mut(side).child = Some(child);
        let until = Clock::Real.now() + PATIENCE;
        while self.ask(side, "select 1").await.is_err() {
            assert!(Clock::Real.now() < until, "it does not answer: {}", self.said(side));
            pause().await;
        }
    }

    /// Ends a server as a lost machine would end.
    pub fn stop(&mut self, side: Side) {
        self.server_mut(side).stop();
    }

    /// What a server has logged.
    pub fn said(&self, side: Side) -> String {
        let log = self.folder.path().join(format!("{side:?}.log"));
        fs::read_to_string(log).unwrap_or_default()
    }

    /// Where a server listens.
    pub fn endpoint(&self, side: Side) -> String {
        format!("127.0.0.1:{}", self.server(side).port)
    }

    /// The folder that the server can read too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Asks as the owner, in the database `postgres`.
    pub async fn ask(&self, side: Side, sql: &str) -> Answer {
        self.ask_as(side, OWNER, OWNER_PASSWORD, sql).await
    }

    /// Has the owner of the primary do something.
    ///
    /// # Panics
    ///
    /// When that is refused.
    pub async fn run(&self, sql: &str) {
        let done = self.ask(Side::Primary, sql).await;
        assert!(done.is_ok(), "{sql}: {done:?}");
    }

    /// Asks as somebody.
    pub async fn ask_as(&self, side: Side, user: &str, password: &str, sql: &str) -> Answer {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.server(side).port).dbname("postgres");
        config.user(user).password(password).connect_timeout(std::time::Duration::from_secs(5));
        let code = |error: tokio_postgres::Error| match error.code() {
            Some(code) => code.code().to_owned(),
            None => error.to_string(),
        };
        let (client, connection) = config.connect(NoTls).await.map_err(code)?;
        let asked = async {
            let answer = client.simple_query(sql).await.map_err(code)?;
            let rows = answer.iter().filter_map(|message| {
                let SimpleQueryMessage::Row(row) = message else { return None };
                Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
            });
            Ok(rows.collect())
        };
        tokio::select! {
            biased;
            answer = asked => answer,
            ended = connection => Err(ended.err().map_or("closed".to_owned(), code)),
        }
    }

    /// Lets the replica take what the primary sends and show none of it.
    ///
    /// # Panics
    ///
    /// When it goes on.
    pub async fn hold_replay(&self) {
        let held = self.ask(Side::Replica, "select pg_wal_replay_pause()").await;
        assert!(held.is_ok(), "{held:?}");
        let until = Clock::Real.now() + PATIENCE;
        let paused = Some("paused".to_owned());
        let state = "select pg_get_wal_replay_pause_state()";
        // The state follows when the next record comes.
        while self.ask(Side::Replica, state).await != Ok(vec![vec![paused.clone()]]) {
            assert!(Clock::Real.now() < until, "the replay goes on");
            pause().await;
        }
    }

    /// Lets the replica show what it holds.
    ///
    /// # Panics
    ///
    /// When it refuses.
    pub async fn resume_replay(&self) {
        let resumed = self.ask(Side::Replica, "select pg_wal_replay_resume()").await;
        assert!(resumed.is_ok(), "{resumed:?}");
    }

    /// Waits until the replica shows everything that the primary holds.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn settled(&self) {
        let at = self.ask(Side::Primary, "select pg_current_wal_lsn()").await.expect("an answer");
        let at = at[0][0].clone().expect("a place");
        self.replayed(Side::Replica, &format!(">= '{at}'")).await;
    }

    /// Waits until what a replica shows compares so with a place in the log.
    async fn replayed(&self, side: Side, place: &str) {
        let until = Clock::Real.now() + PATIENCE;
        let there = format!("select pg_last_wal_replay_lsn() {place}");
        while self.ask(side, &there).await != Ok(vec![vec![Some("t".to_owned())]]) {
            assert!(Clock::Real.now() < until, "the replica is behind: {}", self.said(side));
            pause().await;
        }
    }
}

impl Server {
    /// `SIGQUIT`: every process of the server ends at once, and leaves no shared memory.
    fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let asked = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = child.kill();
        }
        let _ = child.wait();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(replica) = &mut self.replica {
            replica.stop();
        }
        self.primary.stop();
    }
}

/// The account of the Debian package, where this is root.
fn account() -> Option<Account> {
    let number = |arguments: &[&str]| {
        let said = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8_lossy(&said.stdout).trim().parse::<u32>().ok()
    };
    if number(&["-u"]) != Some(0) {
        return None;
    }
    let user = number(&["-u", OWNER]).expect("the package has made its account");
    let group = number(&["-g", OWNER]).expect("the package has made its group");
    Some(Account { user, group })
}

fn carry_out(mut command: Command) {
    let done = command.output().expect("a program of the server");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The authority of a test, and a certificate for 127.0.0.1 that it signed.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority.
    pub authority: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them in a folder that the server can read; `None`, and a skip, without openssl.
    ///
    /// # Panics
    ///
    /// When openssl fails.
    pub fn make(folder: &Path, subject: &str) -> Option<Certificates> {
        if Command::new("openssl").arg("version").output().is_err() {
            skip("openssl", "not installed: apt-get install openssl");
            return None;
        }
        let at = |name: &str| folder.join(name).display().to_string();
        let openssl = |line: &str, more: &[&str]| {
            let mut command = Command::new("openssl");
            command.args(line.split(' ')).args(more).current_dir(folder);
            carry_out(command);
        };
        let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(
            &format!("req -x509 {curve} -days 2 -keyout ca.key -out ca.pem -subj /CN=authority"),
            &[],
        );
        openssl(&format!("req {curve} -keyout server.key -out server.csr -subj /CN=server"), &[]);
        fs::write(folder.join("names"), format!("subjectAltName={subject}\n")).expect("written");
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out server.pem",
            &["-extfile", "names"],
        );
        if let Some(Account { user, group }) = account() {
            chown(at("server.key"), Some(user), Some(group)).expect("root may");
            chown(folder, Some(user), Some(group)).expect("root may");
        }
        fs::set_permissions(at("server.key"), fs::Permissions::from_mode(0o600)).expect("ours");
        let path = |name: &str| folder.join(name);
        let (authority, certificate) = (path("ca.pem"), path("server.pem"));
        Some(Certificates { authority, certificate, key: path("server.key") })
    }
}
