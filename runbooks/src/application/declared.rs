//! What nobody can measure and somebody must answer for: losses beside the components, which side may be
//! promoted, and what was looked at by hand.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::Database;
use crate::{
    name::Region,
    value::{Span, words},
};

words! {
    /// What an application may have that Muster cannot look into, and that a lost region takes along.
    Beside {
        /// Messages that were accepted and not yet worked on.
        QueueMessages = "queue-messages",
        /// Indexes that are filled from the database.
        SearchIndexes = "search-indexes",
        /// What a content delivery network fetches from the region.
        CdnOrigins = "cdn-origins",
    }
}

impl Beside {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Beside; 3] = [Beside::QueueMessages, Beside::SearchIndexes, Beside::CdnOrigins];
}

/// What the owner of an application says that is lost of one of them with a region.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredLoss {
    /// Of what.
    pub of: Beside,
    /// The most that is lost; `0s` where there is none of it, or where it is filled again by itself.
    pub at_most: Span,
    /// Why that is so.
    pub because: String,
}

words! {
    /// What a takeover rests on that Muster does not look at: somebody does, and says so (facts §11).
    ByHand {
        /// The certificates at the standby's load balancer are valid.
        Certificates = "certificates",
        /// The standby has, or has reserved, nodes, addresses and quotas for the whole load.
        Capacity = "capacity",
        /// The images that run are in the standby's registry.
        Images = "images",
        /// The roles that a failover needs work from the standby, without the home region.
        Roles = "roles",
        /// Somebody can log in when the identity provider is gone.
        BreakGlass = "break-glass",
    }
}

impl ByHand {
    /// All of them, in the order in which they are shown.
    pub const ALL: [ByHand; 5] =
        [ByHand::Certificates, ByHand::Capacity, ByHand::Images, ByHand::Roles, ByHand::BreakGlass];
}

/// Somebody's word that something is ready. It ends: what was true once says nothing about today.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Attested {
    /// What was looked at.
    pub what: ByHand,
    /// Who looked.
    pub by: String,
    /// The last day, in UTC, on which that is believed.
    pub until: Date,
    /// How it was looked at.
    pub because: String,
}

words! {
    /// Whether a side of a database may become its writer.
    Promotion {
        /// It is meant to.
        Prefer = "prefer",
        /// It may.
        Neutral = "neutral",
        /// It may not, whoever asks: no plan that promotes it can be made.
        MustNot = "must-not",
    }
}

impl Database {
    /// What was said about promoting its side in a region.
    pub fn promotion(&self, region: &Region) -> Promotion {
        self.promotion.get(region.as_str()).copied().unwrap_or(Promotion::Neutral)
    }
}
