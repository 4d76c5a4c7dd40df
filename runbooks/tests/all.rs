//! What can be asked for, tested from outside: one binary, a file per area.

mod all {
    pub(crate) mod application;
    pub(crate) mod binding;
    pub(crate) mod custom;
    pub(crate) mod detection;
    pub(crate) mod findings;
    pub(crate) mod hooks;
    pub(crate) mod hostile;
    pub(crate) mod policy;
    pub(crate) mod print;
    pub(crate) mod schedule;
    pub(crate) mod schema;
    pub(crate) mod shipped;
    pub(crate) mod starting;
    pub(crate) mod vault;
}
