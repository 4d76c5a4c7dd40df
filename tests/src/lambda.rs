//! A Lambda function under the local Lambda runtime, `cargo lambda watch`, and its Invoke API.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use futures::{StreamExt as _, stream};
use muster::clock::Clock;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::daemon::{PATIENCE, free_port};

/// How many invocations are on their way at a time. The function takes one after the other, as in Lambda; the rest
/// wait in the runtime.
const AT_A_TIME: usize = 8;

/// Lambda's word for an answer that is an error.
const FAILED: &str = "x-amz-function-error";

/// A function and the runtime that feeds it, each in a process of its own. Killed when it is dropped.
pub struct Function {
    runtime: Child,
    function: Child,
    invocations: String,
    http: reqwest::Client,
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

/// The zip of a function as it is given to AWS, made in the folder that holds its `bootstrap`.
///
/// # Panics
///
/// When it cannot be made.
pub async fn zip(python: &Path, folder: &Path) -> PathBuf {
    let zip = Command::new(python)
        .args(["-m", "zipfile", "-c", "on-event.zip", "bootstrap"])
        .current_dir(folder)
        .output()
        .await
        .expect("python starts");
    assert!(zip.status.success(), "{}", String::from_utf8_lossy(&zip.stderr));
    folder.join("on-event.zip")
}

impl Function {
    /// Starts a function with these variables and nothing else in its environment. The runtime stands
    /// beside the `python` of the test world.
    ///
    /// # Panics
    ///
    /// When one of the two does not start.
    pub async fn start(python: &str, name: &str, env: &[(String, String)]) -> Function {
        let port = free_port();
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lambdas/Cargo.toml");
        let runtime = Command::new(Path::new(python).with_file_name("cargo-lambda"))
            // It starts no function of its own: what is tested is the binary that stands beside us.
            .args(["lambda", "watch", "--only-lambda-apis", "--ignore-changes", "--offline"])
            .args(["-A", "127.0.0.1", "-P", &port.to_string(), "--manifest-path"])
            .arg(manifest)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the Lambda runtime starts");
        let base = format!("http://127.0.0.1:{port}");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let patience = Clock::Real.now() + PATIENCE;
        // Asked over HTTP it would hand the question to a function that is not there yet.
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Clock::Real.now() < patience, "the Lambda runtime does not answer");
            crate::daemon::pause().await;
        }
        let function = Command::new(binary(name))
            .env_clear()
            .envs(env.iter().cloned())
            .env("AWS_LAMBDA_RUNTIME_API", format!("{base}/.rt/{name}"))
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the function starts");
        let invocations = format!("{base}/2015-03-31/functions/{name}/invocations");
        Function { runtime, function, invocations, http }
    }

    /// Invokes the function once. `Err` holds what it says went wrong.
    ///
    /// # Panics
    ///
    /// When the function or its runtime ends.
    pub async fn invoke(&mut self, event: &Value) -> Result<(), String> {
        let answers = self.invoke_all(std::slice::from_ref(event)).await;
        answers.into_iter().collect::<Result<Vec<Value>, String>>().map(drop)
    }

    /// Invokes the function with each of many, several at a time, and answers what it answered, in the same
    /// order.
    ///
    /// # Panics
    ///
    /// When the function or its runtime ends.
    pub async fn invoke_all(&mut self, events: &[Value]) -> Vec<Result<Value, String>> {
        let (http, invocations) = (&self.http, &self.invocations);
        let invoke = |event: &Value| {
            let asked = http.post(invocations).body(event.to_string()).send();
            async move {
                let answer = asked.await.expect("the runtime answers");
                let (status, failed) = (answer.status(), answer.headers().contains_key(FAILED));
                let text = answer.text().await.expect("a text");
                if !status.is_success() || failed {
                    return Err(text);
                }
                Ok(serde_json::from_str(&text).expect("an answer is JSON"))
            }
        };
        let asked: Vec<_> = events.iter().map(invoke).collect();
        let all = stream::iter(asked).buffered(AT_A_TIME).collect::<Vec<_>>();
        tokio::select! {
            answers = all => answers,
            ended = self.function.wait() => panic!("the function ended: {ended:?}"),
            ended = self.runtime.wait() => panic!("the runtime ended: {ended:?}"),
        }
    }
}
