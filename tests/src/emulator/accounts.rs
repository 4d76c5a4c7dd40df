//! Another account in the emulated AWS, which keeps copies.

use serde_json::{Value, json};

use super::{
    EAST, Emulator,
    aws::{between, send},
};

/// The account of the vault.
pub const VAULT: &str = "999988887777";

/// The role that copies there.
pub const VAULT_ROLE: &str = "arn:aws:iam::999988887777:role/muster-vault";

/// The role that may delete there.
pub const VAULT_EXPIRY_ROLE: &str = "arn:aws:iam::999988887777:role/muster-vault-expiry";

impl Emulator {
    /// A vault in a region, with a key of its account, as an application declares it.
    pub async fn vault(&self, region: &str) -> Value {
        let request = self.http.post(self.aws.url());
        let request = request.header("X-Amz-Target", "TrentService.CreateKey");
        let request = request.header("Content-Type", "application/x-amz-json-1.1").body("{}");
        let answer = send(request.header("x-moto-account-id", VAULT), "kms", region).await;
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        json!({
            "account": VAULT, "region": region, "role": VAULT_ROLE,
            "key": answer["KeyMetadata"]["Arn"],
        })
    }

    /// One call of RDS inside the vault's account; the answer as text.
    pub async fn vault_rds(&self, region: &str, action: &str, with: &[(&str, &str)]) -> String {
        let mut form = vec![("Action", action), ("Version", "2014-10-31")];
        form.extend_from_slice(with);
        let url = reqwest::Url::parse_with_params("http://x/", &form).expect("a form");
        let body = url.query().unwrap_or_default().to_owned();
        let request = self.http.post(self.aws.url());
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        send(request.header("x-moto-account-id", VAULT).body(body), "rds", region).await
    }

    /// The names of the manual snapshots of the application's own account that the vault may copy now, in
    /// both regions.
    pub async fn shared(&self) -> Vec<String> {
        let mut shared = Vec::new();
        for region in [EAST, super::WEST] {
            let kind = [("SnapshotType", "manual")];
            let listed = self.rds(region, "DescribeDBClusterSnapshots", &kind).await;
            let names = listed.split("<DBClusterSnapshotIdentifier>").skip(1);
            for name in names.map(|rest| rest.split('<').next().unwrap_or_default().to_owned()) {
                let with = [("DBClusterSnapshotIdentifier", name.as_str())];
                let told = self.rds(region, "DescribeDBClusterSnapshotAttributes", &with).await;
                let values = between(&told, "<AttributeValues>", "</AttributeValues>");
                if values.contains(VAULT) {
                    shared.push(name);
                }
            }
        }
        shared
    }
}
