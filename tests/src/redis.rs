//! A real Redis for one test, on loopback, in a folder of its own, gone at the end.

use std::process::{Child, Command, Stdio};

use crate::{
    daemon::{PATIENCE, free_port, pause},
    emulator::skip,
};
use muster::clock::Clock;
use redis::aio::MultiplexedConnection;

/// One server.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    port: u16,
    password: String,
    _folder: tempfile::TempDir,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Redis {
    /// Starts a server that wants a password, with settings of its own such as `["--replicaof", "127.0.0.1 1"]`;
    /// `None`, and a skip, where none is installed.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn start(password: &str, settings: &[&str]) -> Option<Redis> {
        let there = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            skip("redis-server", "not installed: apt-get install redis-server");
            return None;
        }
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
        let text = port.to_string();
        let fixed =
            ["--port", &text, "--bind", "127.0.0.1", "--save", "", "--requirepass", password];
        let child = Command::new("redis-server")
            .args(fixed)
            .args(settings)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let password = password.to_owned();
        let redis = Redis { child, port, password, _folder: folder };
        let limit = Clock::Real.now() + PATIENCE;
        while redis.connect().await.is_none() {
            assert!(Clock::Real.now() < limit, "Redis does not answer");
            pause().await;
        }
        Some(redis)
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A connection of its owner, if it answers.
    pub async fn connect(&self) -> Option<MultiplexedConnection> {
        use redis::IntoConnectionInfo as _;
        let settings = redis::RedisConnectionInfo::default().set_password(&self.password);
        let at = redis::ConnectionAddr::Tcp("127.0.0.1".to_owned(), self.port);
        let info = at.into_connection_info().ok()?.set_redis_settings(settings);
        let client = redis::Client::open(info).ok()?;
        client.get_multiplexed_async_connection().await.ok()
    }

    /// Carries a command out, such as `["SET", "a", "1"]`.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn run<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = self.connect().await.expect("it answers");
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command.query_async(&mut connection).await.expect("it is carried out")
    }
}
