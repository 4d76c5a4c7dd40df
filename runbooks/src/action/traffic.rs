//! Actions that decide where users go.

use super::{Description, On, Role, action};
use crate::{shell::command, value::Span};

action! {
    /// Sends all users to a side in one step, by the marker object that the primary record's inverted health check reads.
    ShiftTraffic = "shift-traffic", SetLike, on: &[], needs_active: false, global: false,
    with {
        /// The side that receives the users.
        to: Role,
    }
    gives {
        /// What the zone's own name servers answer now.
        answers: String,
        /// How long it took until they did.
        took: Span,
    }
}

impl ShiftTraffic {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let Some(traffic) = &on.application.traffic else {
            return Description {
                effect: vec!["no traffic is declared".to_owned()],
                ..Description::default()
            };
        };
        let marker = &traffic.marker;
        let to_primary = on.region(self.to) == &traffic.primary;
        let (call, verb, permission) = if to_primary {
            ("DeleteObject", "delete-object", "s3:DeleteObject")
        } else {
            ("PutObject", "put-object", "s3:PutObject")
        };
        Description {
            effect: vec![format!("s3 {}: {call} {}/{}", marker.region, marker.bucket, marker.key)],
            by_hand: vec![command!(
                "aws s3api {} --region {} --bucket {} --key {}",
                verb,
                marker.region,
                marker.bucket,
                marker.key
            )],
            // Without `ListBucket` S3 answers 403 for a marker that is not there, and not 404.
            permissions: [permission, "s3:GetObject", "s3:ListBucket"].map(str::to_owned).to_vec(),
        }
    }
}

action! {
    /// Sets the weights of the records of an application that may be written in both regions, or of a blue-green pair.
    WeighTraffic = "weigh-traffic", SetLike, on: &[], needs_active: false, global: true,
    with {
        /// The side whose weight is given.
        at: Role,
        /// Its share in percent; the other side receives the rest.
        percent: u32,
    }
    gives {
        /// How long it took until the name servers agreed.
        took: Span,
    }
}

impl WeighTraffic {
    pub(super) fn describe(&self, on: &On<'_>) -> Description {
        let zone = on.application.traffic.as_ref().map_or("(no zone)", |traffic| &traffic.zone);
        Description {
            effect: vec![format!(
                "route53: ChangeResourceRecordSets in {zone}: {} gets {} %",
                on.region(self.at),
                self.percent
            )],
            by_hand: vec![command!(
                "aws route53 change-resource-record-sets --hosted-zone-id {} --change-batch file://weights.json",
                zone
            )],
            permissions: vec![
                "route53:ChangeResourceRecordSets".to_owned(),
                "route53:ListResourceRecordSets".to_owned(),
            ],
        }
    }
}
