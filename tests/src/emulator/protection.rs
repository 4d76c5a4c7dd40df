//! What protects an application in the emulated AWS: caches, secrets, buckets that keep versions.

use serde_json::{Value, json};

use super::{Emulator, aws::send};

impl Emulator {
    /// A replication group of two nodes in two zones, which promotes the replica by itself.
    pub async fn cache(&self, region: &str, name: &str) {
        let by_itself = [("AutomaticFailoverEnabled", "true"), ("MultiAZEnabled", "true")];
        self.replication_group(region, name, &by_itself).await;
    }

    /// The same, but for that nobody promotes the replica unless he is told to.
    pub async fn cache_without_failover(&self, region: &str, name: &str) {
        self.replication_group(region, name, &[]).await;
    }

    async fn replication_group(&self, region: &str, name: &str, more: &[(&str, &str)]) {
        let with = [
            ("ReplicationGroupId", name),
            ("ReplicationGroupDescription", "a cache"),
            ("NumCacheClusters", "2"),
            ("CacheNodeType", "cache.r6g.large"),
        ];
        self.elasticache(region, "CreateReplicationGroup", &[&with, more].concat()).await;
    }

    /// A global datastore, written in the first of two regions. Answers its identifier.
    pub async fn datastore(&self, suffix: &str, [first, second]: [(&str, &str); 2]) -> String {
        self.cache(first.0, first.1).await;
        let with =
            [("GlobalReplicationGroupIdSuffix", suffix), ("PrimaryReplicationGroupId", first.1)];
        self.elasticache(first.0, "CreateGlobalReplicationGroup", &with).await;
        // AWS puts a prefix of its own before it.
        let id = format!("ldgnf-{suffix}");
        let with = [
            ("ReplicationGroupId", second.1),
            ("ReplicationGroupDescription", "a follower"),
            ("GlobalReplicationGroupId", &id),
            ("CacheNodeType", "cache.r6g.large"),
        ];
        self.elasticache(second.0, "CreateReplicationGroup", &with).await;
        id
    }

    /// One call of ElastiCache; the answer as text.
    pub async fn elasticache(&self, region: &str, action: &str, with: &[(&str, &str)]) -> String {
        let mut form = vec![("Action", action), ("Version", "2015-02-02")];
        form.extend_from_slice(with);
        let url = reqwest::Url::parse_with_params("http://x/", &form).expect("a form");
        let body = url.query().unwrap_or_default().to_owned();
        let request = self.http.post(self.aws.url());
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        send(request.body(body), "elasticache", region).await
    }

    /// A secret, with a replica in another region if one is named.
    pub async fn replicated_secret(&self, region: &str, name: &str, replica: Option<&str>) {
        let replicas: Vec<Value> = replica.map(|at| json!({ "Region": at })).into_iter().collect();
        let mut body = json!({ "Name": name, "SecretString": "nobody reads this" });
        if !replicas.is_empty() {
            body["AddReplicaRegions"] = json!(replicas);
        }
        let request = self.http.post(self.aws.url());
        let request = request.header("X-Amz-Target", "secretsmanager.CreateSecret");
        let request = request.header("Content-Type", "application/x-amz-json-1.1");
        send(request.body(body.to_string()), "secretsmanager", region).await;
    }

    /// Puts the replica of a secret in a state.
    pub async fn secret_status(&self, region: &str, name: &str, replica: &str, status: &str) {
        let body = json!({ "region": region, "name": name, "replica": replica, "status": status });
        self.ask(&self.aws, "PUT", "/_muster/secret", &body).await;
    }

    /// Lets a bucket keep versions.
    pub async fn keep_versions(&self, region: &str, bucket: &str) {
        let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        let request = self.http.put(format!("{}/{bucket}?versioning", self.aws.url()));
        send(request.body(body), "s3", region).await;
    }

    /// Gives a bucket a rule that copies it to another. Nothing is copied here.
    pub async fn replicate(&self, region: &str, bucket: &str, to: &str) {
        let body = format!(
            "<ReplicationConfiguration><Role>arn:aws:iam::123456789012:role/copy</Role><Rule>\
             <ID>all</ID><Priority>1</Priority><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>\
             <DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>\
             <Destination><Bucket>arn:aws:s3:::{to}</Bucket></Destination></Rule>\
             </ReplicationConfiguration>"
        );
        let request = self.http.put(format!("{}/{bucket}?replication", self.aws.url()));
        send(request.body(body), "s3", region).await;
    }
}
