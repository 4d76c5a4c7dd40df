//! The Lambda runtime's API for one function: hands it events and takes its answers.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

/// A function in a process of its own. Killed when it is dropped.
pub struct Function {
    listener: TcpListener,
    child: Child,
}

/// The binary called `name` beside this test's own.
///
/// # Panics
///
/// When it is missing.
pub fn binary(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("a test knows its own path");
    let folder = me.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let path = folder.join(name);
    assert!(path.exists(), "`{}` is missing: cargo build --workspace", path.display());
    path
}

impl Function {
    /// Starts a function with these variables and nothing else in its environment.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start(name: &str, env: &[(String, String)]) -> Function {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let api = listener.local_addr().expect("an address").to_string();
        let child = Command::new(binary(name))
            .env_clear()
            .envs(env.iter().cloned())
            .env("AWS_LAMBDA_RUNTIME_API", api)
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .kill_on_drop(true)
            .spawn()
            .expect("the function starts");
        Function { listener, child }
    }

    /// Invokes the function once. `Err` holds what it says went wrong.
    ///
    /// # Panics
    ///
    /// When it ends, or does not speak the runtime's API.
    pub async fn invoke(&mut self, event: &Value) -> Result<(), String> {
        let event = event.to_string();
        loop {
            let (stream, _) = tokio::select! {
                connection = self.listener.accept() => connection.expect("a connection"),
                ended = self.child.wait() => panic!("the function ended: {ended:?}"),
            };
            let mut stream = BufReader::new(stream);
            let (path, body) = request(&mut stream).await;
            if path.ends_with("/invocation/next") {
                let head = "Lambda-Runtime-Aws-Request-Id: 1\r\n\
                    Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
                    Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-west-2:123456789012:function:f\r\n";
                answer(stream.get_mut(), "200 OK", head, &event).await;
                continue;
            }
            answer(stream.get_mut(), "202 Accepted", "", "{}").await;
            return if path.ends_with("/response") { Ok(()) } else { Err(body) };
        }
    }
}

/// Reads one request: its path and its body, whole or in chunks.
async fn request(stream: &mut BufReader<TcpStream>) -> (String, String) {
    let mut line = String::new();
    stream.read_line(&mut line).await.expect("a request line");
    let path = line.split(' ').nth(1).expect("a path").to_owned();
    let (mut length, mut chunked) = (0, false);
    loop {
        line.clear();
        stream.read_line(&mut line).await.expect("a header");
        let head = line.trim().to_ascii_lowercase();
        match head.split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().expect("a length"),
            Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
            Some(_) => {}
            None => break,
        }
    }
    let mut body = Vec::new();
    loop {
        if chunked {
            line.clear();
            stream.read_line(&mut line).await.expect("a chunk's length");
            length = usize::from_str_radix(line.trim(), 16).expect("a length");
        }
        let start = body.len();
        body.resize(start + length, 0);
        stream.read_exact(&mut body[start..]).await.expect("the body");
        if chunked {
            // The last chunk's too: closing on unread bytes resets the connection, and takes the
            // answer with it.
            line.clear();
            stream.read_line(&mut line).await.expect("the chunk's end");
        }
        if !chunked || length == 0 {
            return (path, String::from_utf8_lossy(&body).into_owned());
        }
    }
}

/// One answer a connection, so that the next call is a new one.
async fn answer(stream: &mut TcpStream, status: &str, head: &str, body: &str) {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\n{head}Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.expect("the answer is taken");
    let _ = stream.shutdown().await;
}
