//! Where rows are looked for that a side took and never sent: what a failover with data loss leaves behind.

use serde::{Deserialize, Serialize};

use super::{Table, quoted};
use crate::application::Database;

/// The tables that are compared between the side that was left and the one that writes now.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Divergence {
    /// The tables, in the order in which they are looked at.
    pub tables: Vec<Ordered>,
}

/// A table whose newest rows are found by its key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ordered {
    /// `schema.table`, or a table that the search path finds.
    pub table: Table,
    /// A column that is unique, indexed, and rises with every row: newer rows are found at its upper end.
    pub key: String,
    /// A column that says when each row was written, a `timestamp` or `timestamptz`: by it the data that was
    /// lost is measured in time, once the side that was left can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<String>,
}

impl Ordered {
    /// The statement that gives the highest keys below one, highest first, each with a digest of its row, and
    /// when it was written in microseconds since 1970, where that is known.
    pub fn page(&self, below: Option<&str>, rows: usize) -> String {
        let (table, key) = (self.table.quoted(), quoted(&self.key));
        let written_at = self.written_at.as_ref().map_or_else(
            || "null".to_owned(),
            |column| format!("(extract(epoch from t.{}) * 1000000)::bigint", quoted(column)),
        );
        let below =
            below.map_or_else(String::new, |key_of| format!(" and t.{key} < {}", literal(key_of)));
        format!(
            "select t.{key}::text, md5(t::text), {written_at} from {table} t \
             where t.{key} is not null{below} order by t.{key} desc limit {rows}"
        )
    }

    /// The statement that gives the same of the rows that have one of these keys.
    pub fn of(&self, keys: &[&str]) -> String {
        let (table, key) = (self.table.quoted(), quoted(&self.key));
        let keys: Vec<String> = keys.iter().map(|key| literal(key)).collect();
        let keys = keys.join(", ");
        format!("select t.{key}::text, md5(t::text) from {table} t where t.{key} in ({keys})")
    }
}

/// A text as it stands in a statement.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Database {
    /// Whether anything was declared by which rows that were left behind can be found.
    pub fn shows_divergence(&self) -> bool {
        self.sql.is_some() && (self.divergence.is_some() || self.canary.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::Ordered;

    /// Goal: a key or a name with a quotation mark in it is a value, and never a part of the statement.
    #[test]
    fn nothing_in_a_key_is_sql() {
        let (table, key) = ("public.orders".parse().unwrap(), "i\"d".to_owned());
        let orders = Ordered { table, key, written_at: Some("a\"t".to_owned()) };
        let page = orders.page(Some("it's"), 500);
        assert!(page.contains(r#"where t."i""d" is not null and t."i""d" < 'it''s'"#), "{page}");
        assert!(page.contains(r#"extract(epoch from t."a""t")"#), "{page}");
        assert!(orders.of(&["1", "o'hare"]).ends_with("in ('1', 'o''hare')"));
    }
}
