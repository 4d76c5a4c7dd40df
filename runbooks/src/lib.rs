//! What can be asked for: runbooks, the actions they are made of, applications, schedules, and the
//! plans that a run carries out.

pub mod name;
pub mod value;
