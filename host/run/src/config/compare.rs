//! The differences between two runs, by key.

use super::{RunConfig, schema};
use toml::Table;

/// A key with different values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path of the key.
    pub key: String,
    /// The earlier value, as TOML.
    pub was: String,
    /// The later value, as TOML.
    pub is: String,
}

impl RunConfig {
    /// The first key under `within`, except those under `except`, that differs from `earlier`'s after filling in the
    /// defaults. Keys with derived defaults come last.
    pub fn change_since(
        &self,
        earlier: &RunConfig,
        within: &[&str],
        except: &[&str],
    ) -> Option<Change> {
        let [was, is] = [earlier, self].map(|run| Table::try_from(run.complete()));
        let (was, is) = (was.unwrap_or_default(), is.unwrap_or_default());
        let listed = |key: &str, list: &[&str]| list.iter().any(|&path| is_under(key, path));
        let mut keys = schema::paths();
        keys.retain(|key| listed(key, within) && !listed(key, except));
        let plain = schema::defaults();
        keys.sort_by_key(|key| schema::find(&plain, key).is_none());
        keys.into_iter().find_map(|key| {
            let [was, is] = [&was, &is].map(|table| schema::find(table, &key));
            let table = was.or(is).is_some_and(toml::Value::is_table);
            (was != is && !table).then(|| Change { was: shown(was), is: shown(is), key })
        })
    }
}

fn is_under(key: &str, path: &str) -> bool {
    key.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn shown(value: Option<&toml::Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), toml::Value::to_string)
}
