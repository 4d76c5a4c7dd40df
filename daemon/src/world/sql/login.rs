//! Who logs in: a user and a password, read when they are needed and shown to nobody.

use std::fmt;

use muster_runbooks::{application::sql::Login, name::Region};
use muster_state::call::CallError;

use crate::world::aws::{Aws, secret};

/// A user with a password. Neither printed nor serialised.
pub struct Account {
    user: String,
    password: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Account {
    /// A user with a password.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Account {
        Account { user: user.into(), password: password.into() }
    }

    pub(in crate::world) fn user(&self) -> &str {
        &self.user
    }

    pub(in crate::world) fn password(&self) -> &str {
        &self.password
    }
}

/// Reads who logs in at a service in a region. Nothing of it is kept: a password that was rotated is the new
/// one at the next connection.
pub(in crate::world) async fn account(
    aws: &Aws,
    region: &Region,
    service: &str,
    login: &Login,
) -> Result<Account, CallError> {
    if let Some(arn) = login.secret.get(region.as_str()) {
        let account = secret::account(aws, arn).await?;
        return Ok(match &login.user {
            Some(user) => Account::new(user, account.password),
            None => account,
        });
    }
    let missing = |code: String| CallError::Credentials {
        service: service.to_owned(),
        operation: super::CONNECT,
        code,
    };
    let (Some(user), Some(variable)) = (&login.user, &login.password_env) else {
        return Err(missing(format!("no login is declared for {region}")));
    };
    match std::env::var(variable) {
        Ok(password) if !password.is_empty() => Ok(Account::new(user, password)),
        Ok(_) | Err(_) => Err(missing(format!("the environment has no `{variable}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn a_password_is_not_printed() {
        let said = format!("{:?}", Account::new("reader", "hunter2"));
        assert!(said.contains("reader") && !said.contains("hunter2"), "{said}");
    }
}
