//! The emulated AWS of `tests/world`, started for one test, and its queues.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

/// The account that the emulated AWS plays.
pub const ACCOUNT: &str = "123456789012";

/// Starts nothing and says why, for a test that passes without its world: returns whether the
/// Python of the test world is there, and otherwise writes the skip that `tests/run` shows.
///
/// # Panics
///
/// When the file of skips cannot be written.
pub fn python(test: &str) -> Option<String> {
    let python = std::env::var("MUSTER_TEST_PYTHON").ok().filter(|path| !path.is_empty());
    if python.is_none()
        && let Ok(skips) = std::env::var("MUSTER_SKIPS")
    {
        let mut file = fs::File::options().create(true).append(true).open(skips).expect("skips");
        writeln!(file, "emulated-aws: {test} needs MUSTER_TEST_PYTHON").expect("skips");
    }
    python
}

/// The emulated AWS. Killed when it is dropped.
pub struct Aws {
    child: Child,
    endpoint: String,
    http: reqwest::Client,
}

impl Drop for Aws {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Aws {
    /// Starts it on the clock that stands in a file.
    ///
    /// # Panics
    ///
    /// When it does not say that it is ready.
    pub fn start(python: &str, clock: &Path) -> Aws {
        let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("world");
        let mut child = Command::new(python)
            .args(["-m", "muster_moto", "--port", "0", "--clock-file"])
            .arg(clock)
            .current_dir(world)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the Python of the test world starts");
        let mut said = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out).read_line(&mut said).expect("a line");
        let port = said.trim().strip_prefix("ready ").expect("`ready PORT`");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Aws { child, endpoint: format!("http://127.0.0.1:{port}"), http }
    }

    /// What a program needs in its environment to reach it and nothing else.
    pub fn env(&self) -> Vec<(String, String)> {
        env(&self.endpoint)
    }

    /// Makes a queue and returns its URL.
    pub async fn queue(&self, region: &str, name: &str) -> String {
        let made = self.sqs(region, "CreateQueue", json!({ "QueueName": name })).await;
        made["QueueUrl"].as_str().expect("a URL").to_owned()
    }

    /// Puts a text on a queue.
    pub async fn send(&self, region: &str, url: &str, text: &str) {
        self.sqs(region, "SendMessage", json!({ "QueueUrl": url, "MessageBody": text })).await;
    }

    /// The texts that are on a queue; they stay on it.
    pub async fn peek(&self, region: &str, url: &str) -> Vec<String> {
        let ask = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0 });
        let answer = self.sqs(region, "ReceiveMessage", ask).await;
        let list = answer["Messages"].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(|message| Some(message["Body"].as_str()?.to_owned())).collect()
    }

    /// How many messages a queue holds, hidden ones included.
    pub async fn held(&self, region: &str, url: &str) -> u32 {
        held(&self.http, &self.endpoint, region, url).await
    }

    async fn sqs(&self, region: &str, operation: &str, body: Value) -> Value {
        sqs(&self.http, &self.endpoint, region, operation, body).await
    }
}

/// What a program needs in its environment to reach an emulated AWS and nothing else.
pub fn env(endpoint: &str) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-west-2"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// One call of SQS as the SDK makes it. The emulator does not check the signature; it reads the region.
///
/// # Panics
///
/// When it is refused.
pub async fn sqs(
    http: &reqwest::Client,
    endpoint: &str,
    region: &str,
    operation: &str,
    body: Value,
) -> Value {
    let scope = format!("Credential=test/20260301/{region}/sqs/aws4_request");
    let answer = http
        .post(endpoint)
        .header("x-amz-target", format!("AmazonSQS.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("authorization", format!("AWS4-HMAC-SHA256 {scope}"))
        .body(body.to_string())
        .send()
        .await
        .expect("an answer");
    let (status, text) = (answer.status(), answer.text().await.expect("a text"));
    assert!(status.is_success(), "{operation}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// How many messages a queue holds, hidden ones included.
///
/// # Panics
///
/// When it does not say.
pub async fn held(http: &reqwest::Client, endpoint: &str, region: &str, url: &str) -> u32 {
    let ask = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
    let answer = sqs(http, endpoint, region, "GetQueueAttributes", ask).await;
    let count = |name: &str| answer["Attributes"][name].as_str()?.parse::<u32>().ok();
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    names.iter().map(|name| count(name).expect("a number")).sum()
}
