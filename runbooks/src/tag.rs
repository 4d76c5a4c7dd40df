//! The tags that everything in AWS bears which Muster made. The daemon writes them, and whoever looks from
//! outside reads them.

/// The run that made it.
pub const RUN: &str = "muster:run";
/// The step of that run.
pub const STEP: &str = "muster:step";
/// The application that it belongs to.
pub const APPLICATION: &str = "muster:application";
/// The component of that application.
pub const COMPONENT: &str = "muster:component";
/// The instant of its data, which a copy cannot say by itself (facts §2).
pub const DATA_TIME: &str = "muster:data-time";
/// What it was made for.
pub const PURPOSE: &str = "muster:purpose";
/// The version of the schema that its data has.
pub const SCHEMA_VERSION: &str = "muster:schema-version";
/// The epoch that it was made under (facts §5.5).
pub const EPOCH: &str = "muster:epoch";
/// That a drill owns it, with the runbook as its value.
pub const DRILL: &str = "muster:drill";
/// The recovery point that it was restored from.
pub const POINT: &str = "muster:point";
/// The instant after which it is a leak whatever its run says.
pub const EXPIRES_AT: &str = "muster:expires-at";
