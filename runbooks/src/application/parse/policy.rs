//! Reads how long recovery points are kept, and the engine's own windows.

use crate::{
    application::policy::{EngineWindow, MONTHLY_MAX, NEWEST_KEPT, PreDeployment, Retention},
    check::{Fields, Findings, wrong_kind},
    tree::Node,
    value::Span,
};

/// Reads how long something is kept; for two weeks where nothing is said.
pub(super) fn retention(fields: &Fields<'_>, out: &mut Findings) -> Option<Retention> {
    fields.get("retention").map_or_else(|| Some(Retention::default()), |node| read(node, out))
}

/// Reads a retention. What is wrong with it is said, and nothing is kept for a shorter time for it.
fn read(node: &Node, out: &mut Findings) -> Option<Retention> {
    let known = &["keep_for", "keep_last", "monthly", "pre_deployment"];
    let fields = Fields::open(node, "retention", known, out)?;
    let keep_for = keep_for(&fields, out);
    let keep_last = count(&fields, "keep_last", out).unwrap_or(NEWEST_KEPT);
    if let (Some(node), true) = (fields.get("keep_last"), keep_last < NEWEST_KEPT) {
        let message = format!("`keep_last: {keep_last}` would let the newest points go");
        out.error(node.place, "bad-retention", message)
            .hint(format!("the newest {NEWEST_KEPT} always stay: write {NEWEST_KEPT} or more"));
    }
    let monthly = count(&fields, "monthly", out).unwrap_or(0);
    if let (Some(node), true) = (fields.get("monthly"), monthly > MONTHLY_MAX) {
        let message = format!("{monthly} monthly points are more than ten years");
        out.error(node.place, "bad-retention", message).hint(format!(
            "write {MONTHLY_MAX} or less; AWS keeps 100 manual snapshots by default"
        ));
    }
    let pre_deployment = match fields.get("pre_deployment") {
        Some(node) => {
            let own = Fields::open(node, "pre_deployment", &["keep_for"], out);
            Some(PreDeployment { keep_for: own.and_then(|own| self::keep_for(&own, out))? })
        }
        None => None,
    };
    Some(Retention { keep_for: keep_for?, keep_last, monthly, pre_deployment })
}

fn keep_for(fields: &Fields<'_>, out: &mut Findings) -> Option<Span> {
    let keep_for: Span = fields.need_parsed("keep_for", out)?;
    if let (Some(node), true) = (fields.get("keep_for"), keep_for == Span::default()) {
        out.error(node.place, "bad-retention", "a retention of zero keeps nothing")
            .hint("write how old data may become, such as `336h` for 14 days");
    }
    Some(keep_for)
}

/// A whole number.
fn count(fields: &Fields<'_>, key: &str, out: &mut Findings) -> Option<u32> {
    let node = fields.get(key)?;
    let number = node.scalar().and_then(|value| value.as_u64());
    let number = number.and_then(|number| u32::try_from(number).ok());
    if number.is_none() {
        wrong_kind(node, "a whole number that is not negative", out);
    }
    number
}

/// The engine's own windows for backups and for maintenance.
pub(super) fn engine_windows(
    fields: &Fields<'_>,
    out: &mut Findings,
) -> (Option<EngineWindow>, Option<EngineWindow>) {
    let backup: Option<EngineWindow> = fields.parsed("engine_backup_window", out);
    let maintenance: Option<EngineWindow> = fields.parsed("engine_maintenance_window", out);
    let mut say = |key: &str, message: String, hint: &str| {
        let place = fields.get(key).map_or(fields.place, |node| node.place);
        out.error(place, "engine-windows", message).hint(hint);
    };
    if let Some(window) = backup.as_ref().filter(|window| !window.is_daily()) {
        let message = format!("the engine backs up every day, and `{window}` is once a week");
        say("engine_backup_window", message, "write it as `02:00-02:30`");
    }
    if let Some(window) = maintenance.as_ref().filter(|window| window.is_daily()) {
        let message = format!("the engine is maintained once a week, and `{window}` is every day");
        say("engine_maintenance_window", message, "write it as `sun:02:00-sun:06:00`");
    }
    if let (Some(one), Some(other)) = (&backup, &maintenance)
        && one.overlaps(other)
    {
        let message =
            format!("the engine's backup window `{one}` overlaps its maintenance `{other}`");
        say("engine_backup_window", message, "AWS refuses that: move one of the two");
    }
    (backup, maintenance)
}
