//! What a call of the simulated world is about.

use muster_runbooks::{
    action::On,
    application::{Bucket, Component, Database},
    name::{ApplicationName, ComponentName, Region},
};
use muster_state::call::{Call, CallError};

/// A call with the database that it is about.
pub(super) struct Bound<'a> {
    pub(super) on: On<'a>,
    pub(super) active: &'a Region,
    pub(super) key: (ApplicationName, ComponentName),
}

impl<'a> Bound<'a> {
    pub(super) fn database(call: &'a Call) -> Result<Bound<'a>, CallError> {
        let on = call.on().ok_or_else(|| no_outside(call))?;
        let Some(Component::Database(Database { name, .. })) = on.component else {
            return Err(no_outside(call));
        };
        let key = (on.application.name.clone(), name.clone());
        Ok(Bound { on, active: on.active, key })
    }

    pub(super) fn missing(&self) -> CallError {
        CallError::Refused {
            service: "rds".to_owned(),
            operation: "DescribeGlobalClusters",
            code: "GlobalClusterNotFoundFault".to_owned(),
            message: format!("no global cluster of `{}` of {}", self.key.1, self.key.0),
        }
    }
}

/// The bucket that a call is about.
pub(super) fn bucket_of(call: &Call) -> Result<(On<'_>, &Bucket), CallError> {
    let on = call.on().ok_or_else(|| no_outside(call))?;
    match on.component.and_then(Component::bucket) {
        Some(bucket) => Ok((on, bucket)),
        None => Err(no_outside(call)),
    }
}

/// A call that nothing outside could carry out: a plan without what its action needs.
pub(super) fn no_outside(call: &Call) -> CallError {
    CallError::Refused {
        service: "sim".to_owned(),
        operation: call.action.spec().name,
        code: "InvalidParameterCombination".to_owned(),
        message: "the call names nothing outside that it could work on".to_owned(),
    }
}
