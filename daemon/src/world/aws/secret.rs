//! Passwords that Secrets Manager keeps, in the form in which RDS writes them.

use muster_state::call::CallError;
use serde::Deserialize;

use super::{Arn, Aws, error};
use crate::world::sql::Account;

const OPERATION: &str = "GetSecretValue";

/// What RDS writes into a secret. It writes more, and none of it is read.
#[derive(Deserialize)]
struct Written {
    username: String,
    password: String,
}

/// Reads a user with its password, in the region of the secret.
pub async fn account(aws: &Aws, arn: &str) -> Result<Account, CallError> {
    let refused = |code: &str, message: &str| CallError::Refused {
        service: "secretsmanager".to_owned(),
        operation: OPERATION,
        code: code.to_owned(),
        message: message.to_owned(),
    };
    let Some(place) = Arn::parse(arn) else {
        return Err(refused("NotConfigured", &format!("`{arn}` is not the ARN of a secret")));
    };
    let side = aws.side(&place.region);
    let secrets = &aws.beside(&place.region).secrets;
    let sent = secrets.get_secret_value().secret_id(arn).send().await;
    let answer =
        sent.map_err(|why| error::trouble(why).at(side.name("secretsmanager"), OPERATION))?;
    let written: Option<Written> =
        answer.secret_string().and_then(|text| serde_json::from_str(text).ok());
    // The parser's own words would quote what it read.
    let wrong = || refused("NotUnderstood", &format!("`{arn}` holds no `username` and `password`"));
    let Written { username, password } = written.ok_or_else(wrong)?;
    Ok(Account::new(username, password))
}
