//! Where SONiC's databases are (`spec/sonic-redis.md` 1).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use mclag_daemon::settings::{self, SettingsError};
use redis::ConnectionAddr;
use serde::Deserialize;

/// The file that says it. Without it, everything is where SONiC has it by default.
pub const FILE: &str = "/var/run/redis/sonic-db/database_config.json";

/// Where Redis listens by default.
const SOCKET: &str = "/var/run/redis/redis.sock";
const CONFIG_DB: &str = "CONFIG_DB";
/// SONiC's is 4 kB.
const MAX_LEN: u64 = 1 << 20;

/// A database.
#[derive(Clone, Debug, PartialEq)]
pub struct Database {
    /// Where its Redis listens.
    pub address: ConnectionAddr,
    /// Its number there.
    pub id: i64,
    /// What stands between the parts of a key.
    pub separator: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct File {
    instances: BTreeMap<String, Instance>,
    databases: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Instance {
    unix_socket_path: Option<PathBuf>,
    hostname: Option<String>,
    port: Option<u16>,
}

impl Instance {
    /// Its socket, which costs less and needs no network, or its address.
    fn address(self) -> Option<ConnectionAddr> {
        let socket = self.unix_socket_path;
        if let Some(socket) = socket.filter(|path| !path.as_os_str().is_empty()) {
            return Some(ConnectionAddr::Unix(socket));
        }
        let host = self.hostname.filter(|name| !name.is_empty())?;
        Some(ConnectionAddr::Tcp(host, self.port?))
    }
}

#[derive(Deserialize)]
struct Entry {
    id: i64,
    separator: String,
    instance: String,
}

/// The file does not say where the database is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabasesError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] SettingsError),
    /// It is something else.
    #[error("{}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It does not name the database.
    #[error("{} does not name {what}", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it does not name.
        what: String,
    },
}

impl Database {
    /// CONFIG_DB, as the file at `path` has it.
    ///
    /// # Errors
    ///
    /// When there is such a file that does not say where.
    pub fn config_db(path: &Path) -> Result<Self, DatabasesError> {
        let text = match settings::read(path, MAX_LEN) {
            Ok(text) => text,
            Err(SettingsError::Unreadable { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(Self {
                    address: ConnectionAddr::Unix(SOCKET.into()),
                    id: 4,
                    separator: "|".to_owned(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        let content = |source| DatabasesError::Content {
            path: path.to_owned(),
            source,
        };
        let missing = |what| DatabasesError::Missing {
            path: path.to_owned(),
            what,
        };
        let File {
            mut instances,
            mut databases,
        } = serde_json::from_slice(&text).map_err(content)?;
        let Entry {
            id,
            separator,
            instance,
        } = databases
            .remove(CONFIG_DB)
            .ok_or_else(|| missing(CONFIG_DB.to_owned()))?;
        let place = instances
            .remove(&instance)
            .ok_or_else(|| missing(format!("the instance {instance:?} of {CONFIG_DB}")))?;
        let address = place.address();
        let what = || format!("socket or address of the instance {instance:?} of {CONFIG_DB}");
        Ok(Self {
            address: address.ok_or_else(|| missing(what()))?,
            id,
            separator,
        })
    }
}

#[cfg(test)]
mod tests {
    use mclag_daemon::process::chain;
    use mclag_test_support::TempDir;

    use super::*;

    #[test]
    fn the_file_says_where_a_database_is_and_its_absence_too() {
        let dir = TempDir::new("databases");
        let defaults = Database::config_db(&dir.join("none")).unwrap();
        let expected = Database {
            address: ConnectionAddr::Unix("/var/run/redis/redis.sock".into()),
            id: 4,
            separator: "|".to_owned(),
        };
        assert_eq!(defaults, expected);
        let path = dir.write(
            "database_config.json",
            r#"{"INSTANCES": {"redis": {"hostname": "127.0.0.1", "port": 6379,
                 "unix_socket_path": "/run/other.sock", "persistence_for_warm_boot": "yes"}},
                "DATABASES": {"APPL_DB": {"id": 0, "separator": ":", "instance": "redis"},
                 "CONFIG_DB": {"id": 7, "separator": "~", "instance": "redis"}},
                "VERSION": "1.0"}"#,
        );
        let expected = Database {
            address: ConnectionAddr::Unix("/run/other.sock".into()),
            id: 7,
            separator: "~".to_owned(),
        };
        assert_eq!(Database::config_db(&path).unwrap(), expected);
    }

    #[test]
    fn a_redis_without_a_socket_is_at_its_address() {
        let dir = TempDir::new("databases-tcp");
        for socket in ["", r#""unix_socket_path": "","#] {
            let text = format!(
                r#"{{"INSTANCES": {{"redis": {{{socket} "hostname": "127.0.0.1", "port": 6379}}}},
                    "DATABASES": {{"CONFIG_DB": {{"id": 4, "separator": "|", "instance": "redis"}}}}}}"#
            );
            let path = dir.write("database_config.json", &text);
            let expected = ConnectionAddr::Tcp("127.0.0.1".to_owned(), 6379);
            assert_eq!(Database::config_db(&path).unwrap().address, expected);
        }
    }

    /// A guess might be the database of something else.
    #[test]
    fn a_file_that_does_not_say_where_it_is_is_no_absent_one() {
        let dir = TempDir::new("databases-bad");
        for (text, words) in [
            ("{", "EOF while parsing"),
            (r#"{"INSTANCES": {}}"#, "missing field `DATABASES`"),
            (
                r#"{"INSTANCES": {}, "DATABASES": {}}"#,
                "does not name CONFIG_DB",
            ),
            (
                r#"{"INSTANCES": {}, "DATABASES": {"CONFIG_DB":
                    {"id": 4, "separator": "|", "instance": "redis3"}}}"#,
                "does not name the instance \"redis3\" of CONFIG_DB",
            ),
            (
                r#"{"INSTANCES": {"redis": {"hostname": "127.0.0.1"}}, "DATABASES": {"CONFIG_DB":
                    {"id": 4, "separator": "|", "instance": "redis"}}}"#,
                "does not name socket or address of the instance \"redis\" of CONFIG_DB",
            ),
        ] {
            let path = dir.write("database_config.json", text);
            let error = chain(&Database::config_db(&path).unwrap_err());
            assert!(error.contains(words), "{error}");
            assert!(error.contains("database_config.json"), "{error}");
        }
        let error = chain(&Database::config_db(&dir).unwrap_err());
        assert!(error.contains("not a regular file"), "{error}");
    }
}
