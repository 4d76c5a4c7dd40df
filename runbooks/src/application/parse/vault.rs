//! The other account that keeps copies of a database.

use std::collections::BTreeMap;

use super::Sides;
use crate::{
    application::vault::{Vault, account_of},
    check::{Fields, Findings, text},
    name::Region,
    tree::Node,
};

const KEYS: &[&str] = &["account", "region", "role", "external_id_env", "key", "expiry_role"];

pub(super) fn read(
    node: &Node,
    clusters: &BTreeMap<String, String>,
    sides: &Sides,
    out: &mut Findings,
) -> Option<Vault> {
    let fields = Fields::open(node, "a vault", KEYS, out)?;
    let account = fields.need("account", out).and_then(|node| account(node, clusters, out));
    let region: Option<Region> = fields.need_parsed("region", out);
    if let (Some(node), Some(region)) = (fields.get("region"), &region) {
        sides.known(node.place, region, out);
    }
    let declared = Declared { account: account.as_deref(), region: region.as_ref() };
    let role = fields.need("role", out).and_then(|node| declared.role(node, out));
    let expiry_role = fields.get("expiry_role").map(|node| declared.role(node, out));
    if let (Some(node), Some(Some(expiry)), Some(role)) =
        (fields.get("expiry_role"), &expiry_role, &role)
        && expiry == role
    {
        let message = "the role that copies must not be the one that deletes";
        out.error(node.place, "one-role", message).hint(
            "whoever can fill the vault could empty it; give deletion a role of its own, or none",
        );
    }
    let key = match fields.get("key") {
        Some(node) => declared.key(node, out),
        None => {
            // Facts §2: what is shared is encrypted under a key of the account that shares it.
            let message = "a vault needs `key`: shared snapshots cannot be copied without a key of the \
                           receiving account";
            out.error(fields.place, "no-vault-key", message);
            None
        }
    };
    let external_id_env = fields.text("external_id_env", out);
    if let (Some(node), Some(name)) = (fields.get("external_id_env"), &external_id_env)
        && !is_variable(name)
    {
        // An external id that somebody wrote here by mistake is not repeated.
        out.error(node.place, "wrong-value", "this is not the name of an environment variable")
            .hint("write its name, such as `MUSTER_VAULT_EXTERNAL_ID`, never the id");
        return None;
    }
    Some(Vault {
        account: account?,
        region: region?,
        role: role?,
        external_id_env,
        key: key?,
        expiry_role: match expiry_role {
            Some(role) => Some(role?),
            None => None,
        },
    })
}

fn account(node: &Node, clusters: &BTreeMap<String, String>, out: &mut Findings) -> Option<String> {
    // Without quotes YAML makes a number of it, and of one with a zero in front another one.
    let Some(account) = node.text() else {
        out.error(node.place, "bad-account", "an account is twelve digits in quotes");
        return None;
    };
    if !is_account(account) {
        out.error(
            node.place,
            "bad-account",
            format!("`{account}` is not an account of twelve digits"),
        );
        return None;
    }
    if clusters.values().any(|arn| account_of(arn) == Some(account)) {
        let message = format!("`{account}` is the account of the clusters");
        out.error(node.place, "same-account", message)
            .hint("a vault is there for the loss of that account; name another one");
    }
    Some(account.to_owned())
}

fn is_variable(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Where roles and keys must be of, as far as that could be read.
struct Declared<'a> {
    account: Option<&'a str>,
    region: Option<&'a Region>,
}

impl Declared<'_> {
    fn role(&self, node: &Node, out: &mut Findings) -> Option<String> {
        let arn = text(node, out)?;
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let sound = matches!(
            parts.as_slice(),
            ["arn", partition, "iam", "", account, name]
                if partition.starts_with("aws")
                    && is_account(account)
                    && name.strip_prefix("role/").is_some_and(|name| !name.is_empty())
        );
        if !sound {
            let message = format!("`{arn}` is not an ARN like `arn:aws:iam::ACCOUNT:role/NAME`");
            out.error(node.place, "bad-arn", message);
            return None;
        }
        self.of_account(node, arn, "role", out);
        Some(arn.to_owned())
    }

    fn key(&self, node: &Node, out: &mut Findings) -> Option<String> {
        let arn = text(node, out)?;
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let region = match parts.as_slice() {
            ["arn", partition, "kms", region, account, name]
                if partition.starts_with("aws") && is_account(account) && !name.is_empty() =>
            {
                *region
            }
            _ => {
                let wanted = "arn:aws:kms:REGION:ACCOUNT:key/ID";
                out.error(node.place, "bad-arn", format!("`{arn}` is not an ARN like `{wanted}`"));
                return None;
            }
        };
        self.of_account(node, arn, "key", out);
        if let Some(declared) = self.region.filter(|declared| declared.as_str() != region) {
            let message = format!("a key of `{region}` encrypts nothing in `{declared}`");
            out.error(node.place, "arn-region", message);
        }
        Some(arn.to_owned())
    }

    fn of_account(&self, node: &Node, arn: &str, what: &str, out: &mut Findings) {
        let of = account_of(arn).unwrap_or_default();
        if let Some(declared) = self.account.filter(|declared| *declared != of) {
            let message = format!("a {what} of the account `{of}`, and the vault is `{declared}`");
            out.error(node.place, "arn-account", message);
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
