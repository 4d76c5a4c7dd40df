//! Buses, functions and queues of the second emulated AWS, as one account has them in a region.

use serde_json::{Value, json};

use super::Ministack;
use crate::{
    aws,
    emulator::{EAST, aws::ACCOUNT},
    lambda,
};

/// What a function is called.
const FUNCTION: &str = "muster-on-event";

impl Ministack {
    /// What a program needs in its environment to reach it as that account.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env = aws::env(&self.endpoint);
        // It takes a key of twelve digits for the account's number.
        for (name, value) in &mut env {
            if name == "AWS_ACCESS_KEY_ID" {
                ACCOUNT.clone_into(value);
            }
        }
        env
    }

    /// Makes a queue and returns its URL.
    pub async fn queue(&self, region: &str, name: &str) -> String {
        let made = self.sqs(region, "CreateQueue", json!({ "QueueName": name })).await;
        made["QueueUrl"].as_str().expect("a URL").to_owned()
    }

    /// How many messages a queue holds, hidden ones included.
    pub async fn held(&self, region: &str, url: &str) -> u32 {
        let ask = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
        let answer = self.sqs(region, "GetQueueAttributes", ask).await;
        let count = |name: &str| answer["Attributes"][name].as_str()?.parse::<u32>().ok();
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        names.iter().map(|name| count(name).expect("a number")).sum()
    }

    /// Takes every text off a queue.
    pub async fn take_all(&self, region: &str, url: &str) -> Vec<String> {
        let mut texts = Vec::new();
        loop {
            let ask = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
            let answer = self.sqs(region, "ReceiveMessage", ask).await;
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            if messages.is_empty() {
                return texts;
            }
            let gone = |(place, message): (usize, &Value)| json!({ "Id": place.to_string(), "ReceiptHandle": message["ReceiptHandle"] });
            let gone: Vec<Value> = messages.iter().enumerate().map(gone).collect();
            let batch = json!({ "QueueUrl": url, "Entries": gone });
            let answer = self.sqs(region, "DeleteMessageBatch", batch).await;
            assert_eq!(answer["Successful"].as_array().map(Vec::len), Some(gone.len()), "{answer}");
            let body = |message: &Value| message["Body"].as_str().expect("a text").to_owned();
            texts.extend(messages.iter().map(body));
        }
    }

    async fn sqs(&self, region: &str, operation: &str, body: Value) -> Value {
        self.ask("sqs", region, &format!("AmazonSQS.{operation}"), &body).await
    }

    /// The zip of `on-event` as it is deployed: the binary, called `bootstrap`.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn on_event_zip(&self) -> Vec<u8> {
        let folder = self.folder.path().join("zip");
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::copy(lambda::binary("on-event"), folder.join("bootstrap")).expect("the function");
        std::fs::read(lambda::zip(&self.python, &folder).await).expect("the zip")
    }

    /// Makes the function in a region, from a zip in a bucket of that region, and returns its ARN.
    pub async fn on_event(&self, region: &str, zip: Vec<u8>, env: &[(&str, String)]) -> String {
        let bucket = format!("code-{region}");
        let place = match region {
            EAST => Vec::new(),
            _ => format!("<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>").into_bytes(),
        };
        for (path, body) in [(bucket.clone(), place), (format!("{bucket}/on-event.zip"), zip)] {
            let request = self.http.put(format!("{}/{path}", self.endpoint)).body(body);
            self.send("s3", region, request).await;
        }
        let mut variables: serde_json::Map<String, Value> =
            env.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        variables.insert("AWS_ENDPOINT_URL".to_owned(), json!(self.endpoint));
        // As `deploy/terraform/modules/events/function.tf` has it.
        let function = json!({
            "FunctionName": FUNCTION,
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Role": format!("arn:aws:iam::{ACCOUNT}:role/{FUNCTION}"),
            "Code": { "S3Bucket": bucket, "S3Key": "on-event.zip" },
            "MemorySize": 128,
            "Timeout": 15,
            "Environment": { "Variables": variables },
        });
        let url = format!("{}/2015-03-31/functions", self.endpoint);
        let request = self.http.post(url).body(function.to_string());
        let made = self.send("lambda", region, request).await;
        made["FunctionArn"].as_str().expect("an ARN").to_owned()
    }

    /// Invokes the function as a service does that waits for no answer.
    pub async fn tell_function(&self, region: &str, event: &Value) {
        let url = format!("{}/2015-03-31/functions/{FUNCTION}/invocations", self.endpoint);
        let request = self.http.post(url).header("x-amz-invocation-type", "Event");
        self.send("lambda", region, request.body(event.to_string())).await;
    }

    /// Makes a rule with one target, by a pattern or by a schedule, which is what is not null.
    pub async fn rule(&self, region: &str, name: &str, how: (&str, &str), target: &str) {
        let (field, value) = how;
        self.events(region, "PutRule", json!({ "Name": name, field: value })).await;
        let targets = json!([{ "Id": "on-event", "Arn": target }]);
        self.events(region, "PutTargets", json!({ "Rule": name, "Targets": targets })).await;
    }

    /// Puts an event on the bus of its region, as AWS's own services do.
    pub async fn emit(&self, event: &Value) {
        let entry = json!({
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": event["detail"].to_string(),
            "Resources": event["resources"],
            "Account": event["account"],
            "Time": event["time"],
        });
        let region = event["region"].as_str().expect("a region");
        let answer = self.events(region, "PutEvents", json!({ "Entries": [entry] })).await;
        assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    }

    async fn events(&self, region: &str, operation: &str, body: Value) -> Value {
        self.ask("events", region, &format!("AWSEvents.{operation}"), &body).await
    }

    async fn ask(&self, service: &str, region: &str, target: &str, body: &Value) -> Value {
        let request = self.http.post(&self.endpoint).header("x-amz-target", target);
        let request = request.header("content-type", "application/x-amz-json-1.1");
        self.send(service, region, request.body(body.to_string())).await
    }

    /// Sends a request for a service in a region; the signature is not looked at, only for whom it is.
    async fn send(&self, service: &str, region: &str, request: reqwest::RequestBuilder) -> Value {
        let scope = format!("Credential={ACCOUNT}/20260301/{region}/{service}/aws4_request");
        let request = request.header(
            "authorization",
            format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"),
        );
        let answer = request.send().await.expect("ministack answers");
        let (status, text) = (answer.status(), answer.text().await.expect("a text"));
        assert!(status.is_success(), "{service} in {region}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}
