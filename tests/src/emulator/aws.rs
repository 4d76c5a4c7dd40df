//! What stands in the emulated AWS before a test begins. Written without the SDK, so that the product's
//! own way of speaking is not what it is tested with.

use serde_json::{Value, json};

use super::{EAST, Emulator, WEST};
use crate::aws;

/// The account of the emulator.
pub const ACCOUNT: &str = "123456789012";

/// The ARN of a cluster.
pub fn cluster_arn(region: &str, name: &str) -> String {
    format!("arn:aws:rds:{region}:{ACCOUNT}:cluster:{name}")
}

impl Emulator {
    /// One call of RDS; the answer as text.
    pub async fn rds(&self, region: &str, action: &str, with: &[(&str, &str)]) -> String {
        rds(&self.http, &self.aws.url(), region, action, with).await
    }

    /// A KMS key; answers its ARN.
    pub async fn key(&self, region: &str) -> String {
        let request = self.http.post(self.aws.url());
        let request = request.header("X-Amz-Target", "TrentService.CreateKey");
        let request = request.header("Content-Type", "application/x-amz-json-1.1").body("{}");
        let answer: Value =
            serde_json::from_str(&self.send(request, "kms", region).await).expect("JSON");
        answer["KeyMetadata"]["Arn"].as_str().expect("a key").to_owned()
    }

    /// A secret that holds a text; answers its ARN.
    pub async fn secret(&self, region: &str, name: &str, text: &str) -> String {
        let request = self.http.post(self.aws.url());
        let request = request.header("X-Amz-Target", "secretsmanager.CreateSecret");
        let body =
            json!({ "Name": name, "SecretString": text, "ClientRequestToken": "t".repeat(32) });
        let request = request.header("Content-Type", "application/x-amz-json-1.1");
        let request = request.body(body.to_string());
        let answer: Value =
            serde_json::from_str(&self.send(request, "secretsmanager", region).await)
                .expect("JSON");
        answer["ARN"].as_str().expect("a secret").to_owned()
    }

    /// A project whose builds run a script of the shell on this machine, where they find the emulator.
    pub async fn build_project(&self, region: &str, name: &str, script: &str) {
        let request = self.http.post(self.aws.url());
        let request = request.header("X-Amz-Target", "CodeBuild_20161006.CreateProject");
        let request = request.header("Content-Type", "application/x-amz-json-1.1");
        // JSON is YAML.
        let spec = json!({ "version": 0.2, "phases": { "build": { "commands": [script] } } });
        let body = json!({
            "name": name,
            "source": { "type": "NO_SOURCE", "location": "none", "buildspec": spec.to_string() },
            "artifacts": { "type": "NO_ARTIFACTS" },
            "environment": {
                "type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL",
            },
            "serviceRole": format!("arn:aws:iam::{ACCOUNT}:role/build"),
        });
        self.send(request.body(body.to_string()), "codebuild", region).await;
    }

    /// Takes a cluster with its instances away, and out of the global cluster that it is a member of.
    pub async fn lose_cluster(&self, region: &str, name: &str, of_global: &str) {
        let arn = cluster_arn(region, name);
        let with = [("GlobalClusterIdentifier", of_global), ("DbClusterIdentifier", &*arn)];
        self.rds(region, "RemoveFromGlobalCluster", &with).await;
        for number in 1..=2 {
            let instance = format!("{name}-{number}");
            self.rds(region, "DeleteDBInstance", &[("DBInstanceIdentifier", &instance)]).await;
        }
        let with = [("DBClusterIdentifier", name), ("SkipFinalSnapshot", "true")];
        self.rds(region, "DeleteDBCluster", &with).await;
    }

    /// A bucket that anybody may read, as a marker's must be.
    pub async fn bucket(&self, region: &str, name: &str) {
        let place = format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint>\
             </CreateBucketConfiguration>"
        );
        let url = format!("{}/{name}", self.aws.url());
        let create = self.http.put(&url).body(if region == EAST { String::new() } else { place });
        self.send(create, "s3", region).await;
        let readable = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": format!("arn:aws:s3:::{name}/*"),
        }]});
        let policy = self.http.put(format!("{url}?policy")).body(readable.to_string());
        self.send(policy, "s3", region).await;
    }

    /// Sets a part of a bucket's configuration, such as `versioning`.
    pub async fn configure(&self, region: &str, bucket: &str, part: &str, body: &str) {
        let url = format!("{}/{bucket}?{part}", self.aws.url());
        self.send(self.http.put(url).body(body.to_owned()), "s3", region).await;
    }

    /// Versions a bucket and gives it a rule `all` that replicates everything to another one.
    pub async fn replicates(&self, region: &str, bucket: &str, to: &str, status: &str) {
        let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        self.configure(region, bucket, "versioning", on).await;
        self.configure(WEST, to, "versioning", on).await;
        let rule = format!(
            "<ReplicationConfiguration><Role>arn:aws:iam::{ACCOUNT}:role/replication</Role><Rule>\
             <ID>all</ID><Status>{status}</Status><Priority>1</Priority><Filter><Prefix></Prefix>\
             </Filter><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>\
             <Destination><Bucket>arn:aws:s3:::{to}</Bucket></Destination></Rule>\
             </ReplicationConfiguration>"
        );
        self.configure(region, bucket, "replication", &rule).await;
    }

    /// One sample of a metric of the rule `all`, now.
    pub async fn replication_sample(&self, region: &str, pair: [&str; 2], name: &str, value: f64) {
        let (now, value) = (self.now.to_string(), value.to_string());
        let with = [
            ("Action", "PutMetricData"),
            ("Version", "2010-08-01"),
            ("Namespace", "AWS/S3"),
            ("MetricData.member.1.MetricName", name),
            ("MetricData.member.1.Value", &*value),
            ("MetricData.member.1.Timestamp", &*now),
            ("MetricData.member.1.Dimensions.member.1.Name", "SourceBucket"),
            ("MetricData.member.1.Dimensions.member.1.Value", pair[0]),
            ("MetricData.member.1.Dimensions.member.2.Name", "DestinationBucket"),
            ("MetricData.member.1.Dimensions.member.2.Value", pair[1]),
            ("MetricData.member.1.Dimensions.member.3.Name", "RuleId"),
            ("MetricData.member.1.Dimensions.member.3.Value", "all"),
        ];
        self.monitoring(region, &with).await;
    }

    /// An alarm in a state, such as `OK`, `ALARM` or `INSUFFICIENT_DATA`; made if it is not there.
    pub async fn alarm(&self, region: &str, name: &str, state: &str) {
        let makes = [
            ("Action", "PutMetricAlarm"),
            ("Version", "2010-08-01"),
            ("AlarmName", name),
            ("Namespace", "Shop"),
            ("MetricName", "Errors"),
            ("Statistic", "Sum"),
            ("Period", "60"),
            ("EvaluationPeriods", "1"),
            ("Threshold", "1"),
            ("ComparisonOperator", "GreaterThanThreshold"),
        ];
        self.monitoring(region, &makes).await;
        let sets = [
            ("Action", "SetAlarmState"),
            ("Version", "2010-08-01"),
            ("AlarmName", name),
            ("StateValue", state),
            ("StateReason", "a test"),
        ];
        self.monitoring(region, &sets).await;
    }

    async fn monitoring(&self, region: &str, with: &[(&str, &str)]) {
        let url = reqwest::Url::parse_with_params("http://x/", with).expect("a form");
        let body = url.query().unwrap_or_default().to_owned();
        let request = self.http.post(self.aws.url());
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        self.send(request.body(body), "monitoring", region).await;
    }

    /// Writes an object that holds a text.
    pub async fn put_text(&self, region: &str, path: &str, text: String) {
        let request = self.http.put(format!("{}/{path}", self.aws.url())).body(text);
        self.send(request, "s3", region).await;
    }

    /// Makes a queue; answers its URL.
    pub async fn queue(&self, region: &str, name: &str) -> String {
        let asked = json!({ "QueueName": name });
        let made = aws::sqs(&self.http, &self.aws.url(), region, "CreateQueue", asked).await;
        made["QueueUrl"].as_str().expect("a URL").to_owned()
    }

    /// Puts a text on a queue, past the faults.
    pub async fn send_message(&self, region: &str, queue: &str, text: &str) {
        let message = json!({ "QueueUrl": queue, "MessageBody": text });
        aws::sqs(&self.http, &self.aws.url(), region, "SendMessage", message).await;
    }

    /// Puts many texts on a queue in their order, past the faults.
    pub async fn send_messages(&self, region: &str, queue: &str, texts: &[String]) {
        for ten in texts.chunks(10) {
            let entry = |(place, text): (usize, &String)| json!({ "Id": place.to_string(), "MessageBody": text });
            let entries: Vec<Value> = ten.iter().enumerate().map(entry).collect();
            let batch = json!({ "QueueUrl": queue, "Entries": entries });
            let answer =
                aws::sqs(&self.http, &self.aws.url(), region, "SendMessageBatch", batch).await;
            assert_eq!(answer["Successful"].as_array().map(Vec::len), Some(ten.len()), "{answer}");
        }
    }

    /// Empties a queue, past the faults.
    pub async fn purge(&self, region: &str, queue: &str) {
        let which = json!({ "QueueUrl": queue });
        aws::sqs(&self.http, &self.aws.url(), region, "PurgeQueue", which).await;
    }

    /// How many messages a queue holds, hidden ones included.
    pub async fn held(&self, region: &str, queue: &str) -> u32 {
        aws::held(&self.http, &self.aws.url(), region, queue).await
    }

    /// Writes an object with metadata.
    pub async fn put(&self, region: &str, path: &str, metadata: &[(&str, &str)]) {
        let mut request = self.http.put(format!("{}/{path}", self.aws.url())).body("x");
        for (name, value) in metadata {
            request = request.header(format!("x-amz-meta-{name}"), *value);
        }
        self.send(request, "s3", region).await;
    }

    /// Reads an object.
    pub async fn get(&self, region: &str, path: &str) -> String {
        self.send(self.http.get(format!("{}/{path}", self.aws.url())), "s3", region).await
    }

    /// A cluster with instances and a key of its own; answers its ARN.
    pub async fn cluster(
        &self,
        region: &str,
        name: &str,
        instances: u32,
        of_global: Option<&str>,
    ) -> String {
        let mut with = vec![
            ("DBClusterIdentifier", name),
            ("Engine", "aurora-postgresql"),
            ("EngineVersion", "16.4"),
            ("StorageEncrypted", "true"),
        ];
        let key = self.key(region).await;
        with.push(("KmsKeyId", &key));
        match of_global {
            Some(of) => with.push(("GlobalClusterIdentifier", of)),
            None => {
                with.extend([("MasterUsername", "root"), ("MasterUserPassword", "only-for-tests")])
            }
        }
        self.rds(region, "CreateDBCluster", &with).await;
        for number in 1..=instances {
            let instance = format!("{name}-{number}");
            let with = [
                ("DBInstanceIdentifier", instance.as_str()),
                ("DBClusterIdentifier", name),
                ("DBInstanceClass", "db.r6g.large"),
                ("Engine", "aurora-postgresql"),
            ];
            self.rds(region, "CreateDBInstance", &with).await;
        }
        cluster_arn(region, name)
    }

    /// The global cluster `orders`: written in the east by two instances, followed in the west.
    pub async fn global_pair(&self) {
        let east = self.cluster(EAST, "orders-east", 2, None).await;
        let with = [("GlobalClusterIdentifier", "orders"), ("SourceDBClusterIdentifier", &*east)];
        self.rds(EAST, "CreateGlobalCluster", &with).await;
        self.cluster(WEST, "orders-west", 2, Some("orders")).await;
    }

    /// The zone `example.com`: `app` answers with the first address, and with the second once an object
    /// `moved` stands in the bucket that the name server looks into. Answers the zone's id.
    pub async fn zone(&self, home: &str, away: &str) -> String {
        let check = "<CreateHealthCheckRequest><CallerReference>1</CallerReference>\
             <HealthCheckConfig><Type>HTTP</Type>\
             <FullyQualifiedDomainName>marker.example.com</FullyQualifiedDomainName>\
             <ResourcePath>/moved</ResourcePath><RequestInterval>10</RequestInterval>\
             <FailureThreshold>3</FailureThreshold><Inverted>true</Inverted>\
             </HealthCheckConfig></CreateHealthCheckRequest>";
        let guard = self.route53("healthcheck", check).await;
        let guard = between(&guard, "<Id>", "</Id>");
        let zone = "<CreateHostedZoneRequest><Name>example.com</Name>\
             <CallerReference>1</CallerReference></CreateHostedZoneRequest>";
        let zone = self.route53("hostedzone", zone).await;
        let zone = between(&zone, "<Id>/hostedzone/", "</Id>").to_owned();
        let record = |id: &str, more: &str, value: &str| {
            format!(
                "<Change><Action>UPSERT</Action><ResourceRecordSet><Name>app.example.com</Name>\
                 <Type>A</Type><SetIdentifier>{id}</SetIdentifier>{more}<TTL>60</TTL><ResourceRecords>\
                 <ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords>\
                 </ResourceRecordSet></Change>"
            )
        };
        let guarded = format!("<Failover>PRIMARY</Failover><HealthCheckId>{guard}</HealthCheckId>");
        let primary = record("home", &guarded, home);
        let secondary = record("away", "<Failover>SECONDARY</Failover>", away);
        let (east, west) = ("<Weight>100</Weight>", "<Weight>0</Weight>");
        let both = [record(EAST, east, home), record(WEST, west, away)].concat();
        let both = both.replace("app.example.com", "both.example.com");
        let batch = format!(
            "<ChangeResourceRecordSetsRequest><ChangeBatch><Changes>{primary}{secondary}{both}</Changes>\
             </ChangeBatch></ChangeResourceRecordSetsRequest>"
        );
        self.route53(&format!("hostedzone/{zone}/rrset"), &batch).await;
        zone
    }

    async fn route53(&self, path: &str, body: &str) -> String {
        let request = self.http.post(format!("{}/2013-04-01/{path}", self.aws.url()));
        let body =
            body.replacen('>', " xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">", 1);
        self.send(request.body(body), "route53", EAST).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, service: &str, region: &str) -> String {
        send(request, service, region).await
    }
}

/// One call of RDS; the answer as text.
pub(super) async fn rds(
    http: &reqwest::Client,
    endpoint: &str,
    region: &str,
    action: &str,
    with: &[(&str, &str)],
) -> String {
    let mut form = vec![("Action", action), ("Version", "2014-10-31")];
    form.extend_from_slice(with);
    let url = reqwest::Url::parse_with_params("http://x/", &form).expect("a form");
    let body = url.query().unwrap_or_default().to_owned();
    let request = http.post(endpoint).header("Content-Type", "application/x-www-form-urlencoded");
    send(request.body(body), "rds", region).await
}

/// Sends a request for a service and region. The emulators read from the signature who is called where,
/// and do not check it.
pub(super) async fn send(request: reqwest::RequestBuilder, service: &str, region: &str) -> String {
    let scope = format!("test/20260301/{region}/{service}/aws4_request");
    let signed = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let answer = request.header("Authorization", signed).send().await.expect("an answer");
    let status = answer.status();
    let text = answer.text().await.expect("a text");
    assert!(status.is_success(), "{service} {region}: {status} {text}");
    text
}

/// What stands between two marks of a text.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).map_or("", |(_, rest)| rest);
    rest.split_once(after).map_or("", |(inside, _)| inside)
}
