//! IAM policies as AWS reads them, as far as the shipped ones go: statements that allow and deny, by
//! wildcards, `NotResource` and the conditions that they use. What is not known here is an error and never
//! a yes.

mod asked;

use std::collections::BTreeMap;

use serde_json::Value;

pub use asked::{allowed_as, asked_by, tags_of};

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// Something that is asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Such as `rds:DeleteDBCluster`.
    pub action: String,
    /// An ARN.
    pub resource: String,
    /// What conditions look at, such as `aws:ResourceTag/team`.
    pub context: BTreeMap<String, String>,
}

/// What a policy says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// A statement allows it and none denies it.
    Allowed,
    /// The statement of this name denies it, whatever others say.
    Denied(String),
    /// No statement speaks of it.
    Silent,
}

#[derive(Clone, Debug)]
struct Statement {
    sid: String,
    allows: bool,
    actions: Vec<String>,
    resources: Resources,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
enum Resources {
    These(Vec<String>),
    AllBut(Vec<String>),
}

#[derive(Clone, Debug)]
struct Condition {
    operator: Operator,
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    StringEquals,
    StringLike,
    Bool,
    Null,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// When it is no policy, or says something that is not known here.
    pub fn read(text: &str) -> Result<Policy, String> {
        let policy: Value = serde_json::from_str(text).map_err(|why| why.to_string())?;
        let object = policy.as_object().ok_or("a policy is a map")?;
        let known = ["Version", "Statement"];
        if let Some(key) = object.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("`{key}` is not known"));
        }
        if policy["Version"] != "2012-10-17" {
            return Err("its version is not 2012-10-17".to_owned());
        }
        let statements = policy["Statement"].as_array().ok_or("it has no statements")?;
        let statements = statements.iter().map(Statement::read).collect::<Result<_, _>>()?;
        Ok(Policy { statements })
    }

    /// What it says about something. A denial wins over whatever allows.
    pub fn judge(&self, asked: &Asked) -> Verdict {
        let speaks = || self.statements.iter().filter(|statement| statement.speaks_of(asked));
        if let Some(denies) = speaks().find(|statement| !statement.allows) {
            return Verdict::Denied(denies.sid.clone());
        }
        if speaks().next().is_some() { Verdict::Allowed } else { Verdict::Silent }
    }
}

/// What all policies of one role say together: a denial of any of them wins.
pub fn judge_together(policies: &[Policy], asked: &Asked) -> Verdict {
    let mut allowed = Verdict::Silent;
    for policy in policies {
        match policy.judge(asked) {
            denied @ Verdict::Denied(_) => return denied,
            Verdict::Allowed => allowed = Verdict::Allowed,
            Verdict::Silent => {}
        }
    }
    allowed
}

impl Statement {
    fn read(value: &Value) -> Result<Statement, String> {
        let object = value.as_object().ok_or("a statement is a map")?;
        let known = ["Sid", "Effect", "Action", "Resource", "NotResource", "Condition"];
        if let Some(key) = object.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("`{key}` is not known"));
        }
        let sid = value["Sid"].as_str().ok_or("a statement has no name")?.to_owned();
        let allows = match value["Effect"].as_str() {
            Some("Allow") => true,
            Some("Deny") => false,
            other => return Err(format!("`{sid}` has the effect {other:?}")),
        };
        let resources = match (&value["Resource"], &value["NotResource"]) {
            (Value::Null, Value::Null) => return Err(format!("`{sid}` names no resource")),
            (these, Value::Null) => Resources::These(texts(these)?),
            (Value::Null, others) => Resources::AllBut(texts(others)?),
            (_, _) => return Err(format!("`{sid}` says both what and what not")),
        };
        let mut conditions = Vec::new();
        for (operator, keys) in value["Condition"].as_object().into_iter().flatten() {
            let operator = match operator.as_str() {
                "StringEquals" => Operator::StringEquals,
                "StringLike" => Operator::StringLike,
                "Bool" => Operator::Bool,
                "Null" => Operator::Null,
                other => return Err(format!("the condition `{other}` of `{sid}` is not known")),
            };
            for (key, values) in keys.as_object().into_iter().flatten() {
                let (key, values) = (key.clone(), texts(values)?);
                conditions.push(Condition { operator, key, values });
            }
        }
        let actions = texts(&value["Action"])?;
        Ok(Statement { sid, allows, actions, resources, conditions })
    }

    fn speaks_of(&self, asked: &Asked) -> bool {
        let action = asked.action.to_ascii_lowercase();
        let names = self.actions.iter().any(|name| matches(&name.to_ascii_lowercase(), &action));
        let is_there = match &self.resources {
            Resources::These(these) => these.iter().any(|one| matches(one, &asked.resource)),
            Resources::AllBut(others) => !others.iter().any(|one| matches(one, &asked.resource)),
        };
        names && is_there && self.conditions.iter().all(|one| one.holds(&asked.context))
    }
}

impl Condition {
    /// A key that the request does not have fulfils no condition but the one that it is not there.
    fn holds(&self, context: &BTreeMap<String, String>) -> bool {
        let key = self.key.to_ascii_lowercase();
        let found = context.iter().find(|(name, _)| name.to_ascii_lowercase() == key);
        let found = found.map(|(_, found)| found.as_str());
        self.values.iter().any(|value| match (self.operator, found) {
            (Operator::Null, found) => value.eq_ignore_ascii_case("true") == found.is_none(),
            (_, None) => false,
            (Operator::StringEquals, Some(found)) => value == found,
            (Operator::StringLike, Some(found)) => matches(value, found),
            (Operator::Bool, Some(found)) => value.eq_ignore_ascii_case(found),
        })
    }
}

fn texts(value: &Value) -> Result<Vec<String>, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!("`{value}` is no text"))
        }
    };
    if let Value::Array(list) = value {
        return list.iter().map(text).collect();
    }
    Ok(vec![text(value)?])
}

/// Whether a pattern with `*` and `?` fits a whole text.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // Where to go on when the last star has to take one character more.
    let (mut at, mut here, mut retry) = (0, 0, None);
    while here < text.len() {
        match pattern.get(at) {
            Some('*') => {
                retry = Some((at + 1, here));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[here] => {
                at += 1;
                here += 1;
            }
            Some(_) | None => {
                let Some((star, taken)) = retry else { return false };
                retry = Some((star, taken + 1));
                (at, here) = (star, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|&left| left == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(action: &str, resource: &str, context: &[(&str, &str)]) -> Asked {
        let context = context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Asked {
            action: action.to_owned(),
            resource: resource.to_owned(),
            context: context.collect(),
        }
    }

    /// Goal: wildcards fit as AWS fits them: a star takes anything, colons and nothing included.
    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("a*", "a", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("cluster:muster-drill-*", "cluster:muster-drill-a", true),
            ("cluster:muster-drill-*", "cluster:muster-a", false),
            ("*:cluster:m-*", "arn:aws:rds:eu:1:cluster:m-1", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    /// Goal: a denial wins, `NotResource` denies everything else, a condition on what is not there does
    /// not hold, and silence is no yes.
    /// Method: one policy, a table of questions.
    #[test]
    fn verdicts() {
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Sid": "Yes", "Effect": "Allow", "Action": ["rds:Delete*", "rds:Describe*"], "Resource": "*" },
            { "Sid": "Tagged", "Effect": "Allow", "Action": "rds:ModifyDBCluster", "Resource": "*",
              "Condition": { "StringEquals": { "aws:ResourceTag/team": ["a", "b"] } } },
            { "Sid": "Granted", "Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*",
              "Condition": { "Bool": { "kms:GrantIsForAWSResource": "true" } } },
            { "Sid": "Not", "Effect": "Deny", "Action": "rds:Delete*", "NotResource": "*:cluster:drill-*" },
            { "Sid": "Put", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "lease",
              "Condition": { "Null": { "s3:if-match": "false" } } },
        ]});
        let policy = Policy::read(&policy.to_string()).unwrap();
        let denied = || Verdict::Denied("Not".to_owned());
        for (question, verdict) in [
            (asked("rds:DeleteDBCluster", "x:cluster:drill-1", &[]), Verdict::Allowed),
            (asked("RDS:deletedbcluster", "x:cluster:drill-1", &[]), Verdict::Allowed),
            (asked("rds:DeleteDBCluster", "x:cluster:orders", &[]), denied()),
            (asked("rds:DeleteDBInstance", "x:db:drill-1", &[]), denied()),
            (asked("rds:DescribeDBClusters", "*", &[]), Verdict::Allowed),
            (asked("rds:CreateDBCluster", "x:cluster:drill-1", &[]), Verdict::Silent),
            (asked("rds:ModifyDBCluster", "x", &[]), Verdict::Silent),
            (asked("rds:ModifyDBCluster", "x", &[("aws:ResourceTag/team", "c")]), Verdict::Silent),
            (asked("rds:ModifyDBCluster", "x", &[("aws:ResourceTag/Team", "b")]), Verdict::Allowed),
            (
                asked("kms:CreateGrant", "k", &[("kms:GrantIsForAWSResource", "true")]),
                Verdict::Allowed,
            ),
            (asked("kms:CreateGrant", "k", &[]), Verdict::Silent),
            (asked("s3:PutObject", "lease", &[("s3:if-match", "tag")]), Verdict::Allowed),
            (asked("s3:PutObject", "lease", &[]), Verdict::Silent),
        ] {
            assert_eq!(policy.judge(&question), verdict, "{question:?}");
        }
    }

    /// Goal: what this reader does not know it does not pass over.
    #[test]
    fn what_is_not_known_is_no_policy() {
        let one = |statement: Value| {
            let text = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
            Policy::read(&text).unwrap_err()
        };
        let sound = json!({ "Sid": "A", "Effect": "Allow", "Action": "a:B", "Resource": "*" });
        for (key, value) in [
            ("NotAction", json!("a:C")),
            ("Effect", json!("Perhaps")),
            ("NotResource", json!("x")),
            ("Condition", json!({ "IpAddress": { "aws:SourceIp": "192.0.2.1" } })),
            ("Action", json!(5)),
        ] {
            let mut wrong = sound.clone();
            wrong[key] = value;
            assert!(!one(wrong).is_empty(), "{key}");
        }
        assert!(Policy::read("{}").is_err());
        assert!(Policy::read(r#"{"Version":"2008-10-17","Statement":[]}"#).is_err());
    }
}
