//! The action that says who may write, where the application holds a lease for that.

use jiff::Timestamp;

use super::{Description, On, Role, action};

action! {
    /// Makes a side the holder of the application's write lease. The other side cannot renew it any more, and
    /// the new holder writes only once the last renewal of the old one has run out. Without a declared lease
    /// there is nothing to do.
    TakeWriteLease = "take-write-lease", Named, on: &[], needs_active: false, global: false,
    with {
        /// The side that may write; without one, the side whose databases write now.
        to: Option<Role>,
    }
    gives {
        /// `taken`, or `none` where the application declares no lease.
        lease: String,
        /// From when on the new holder may write, and nobody else.
        from: Option<Timestamp>,
    }
}

impl TakeWriteLease {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let Some(lease) = &on.application.write_lease else {
            return Description {
                effect: vec!["no write lease is declared: nothing is done".to_owned()],
                ..Description::default()
            };
        };
        let region = &lease.region;
        let to = self.to.map_or("THE-SIDE-THAT-WRITES", |to| on.region(to).as_str());
        let object = format!("{} --key {}", lease.bucket, lease.key);
        Description {
            effect: vec![format!(
                "s3 {region}: GetObject, then PutObject s3://{}/{} with holder {to}, only if it is unchanged",
                lease.bucket, lease.key
            )],
            by_hand: vec![
                format!("aws s3api get-object --region {region} --bucket {object} lease.json"),
                format!(
                    "jq -c '.holder = \"{to}\" | .epoch += 1 | .by = \"{}\" | .from = (now + {} | todate)' \
                     lease.json > next.json",
                    on.token,
                    lease.wait().as_secs(),
                ),
                format!(
                    "aws s3api put-object --region {region} --bucket {object} --body next.json \
                     --if-match \"$ETAG\"   # as get-object printed it"
                ),
            ],
            // S3 answers 403 instead of 404 to whoever may not list.
            permissions: ["s3:GetObject", "s3:ListBucket", "s3:PutObject"]
                .into_iter()
                .chain(self.to.is_none().then_some("rds:DescribeGlobalClusters"))
                .map(str::to_owned)
                .collect(),
        }
    }
}
