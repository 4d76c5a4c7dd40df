//! Reads where the write lease of an application is.

use super::{Sides, address};
use crate::{
    application::write_lease::WriteLease,
    check::{Fields, Findings, parsed},
    name::Region,
    tree::Node,
    value::Span,
};

/// Nobody writes for so long after a failover, so it has a bound; and a renewal must fit in several times.
const LENGTH: [Span; 2] = [Span::from_secs(10), Span::from_mins(1)];

/// The longest that clocks may be apart.
const SKEW_MAX: Span = Span::from_secs(30);

const USUAL_SKEW: Span = Span::from_secs(2);

pub(super) fn read(node: &Node, sides: &Sides, out: &mut Findings) -> Option<WriteLease> {
    let keys = &["region", "bucket", "key", "length", "skew"];
    let fields = Fields::open(node, "a write lease", keys, out)?;
    let region: Option<Region> = fields.need_parsed("region", out);
    if let (Some(region), Some(node)) = (&region, fields.get("region"))
        && sides.both().any(|side| side == region)
    {
        let message = format!("a lease in {region} is lost together with {region}");
        out.warning(node.place, "lost-with-it", message)
            .hint("a third region, where the law allows one");
    }
    let bucket = fields.need("bucket", out).and_then(|node| address::bucket_name(node, out));
    let key = fields.need_text("key", out);
    let length: Option<Span> = fields.need_parsed("length", out);
    if let (Some(length), Some(node)) = (length, fields.get("length"))
        && !(LENGTH[0]..=LENGTH[1]).contains(&length)
    {
        let message = format!("`length` is {length}, and has to be {} to {}", LENGTH[0], LENGTH[1]);
        out.error(node.place, "wrong-value", message);
    }
    let skew = match fields.get("skew") {
        Some(node) => {
            let skew: Span = parsed(node, out)?;
            if skew > SKEW_MAX {
                let message = format!("`skew` is {skew}, and has to be {SKEW_MAX} at most");
                out.error(node.place, "wrong-value", message);
            }
            skew
        }
        None => USUAL_SKEW,
    };
    Some(WriteLease { region: region?, bucket: bucket?, key: key?, length: length?, skew })
}
