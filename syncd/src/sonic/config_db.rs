//! What CONFIG_DB has of the pair.
//!
//! Read once each time it is asked for. Redis may be gone, hang or hold anything: a reading ends within
//! [`PATIENCE`], with the pair or with an error.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    Client, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, RedisConnectionInfo, RedisError,
};
use tokio::time::timeout;

use super::databases::{Database, DatabasesError};
use super::rows::{CHASSIS, DOMAINS, Fields, PORTS, Rows, UNIQUE_IPS};
use crate::backend::mclagsyncd::Configured;

/// How long reading may take.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Most keys of a table that are read. A pair has as many ports as there are VLANs, at the most.
const MAX_KEYS: usize = 8192;
/// The key that says, with `1`, that SONiC has loaded its configuration (`spec/sonic-redis.md` 7, item 9).
const LOADED: &str = "CONFIG_DB_INITIALIZED";
/// Keys that Redis looks at for each answer. It serves nobody else meanwhile.
const SCANNED: u32 = 1000;

/// CONFIG_DB cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigDbError {
    /// Nobody says where it is.
    #[error(transparent)]
    Place(#[from] DatabasesError),
    /// There is no Redis, or it refuses.
    #[error("cannot read {address}")]
    Redis {
        /// Where it should listen.
        address: ConnectionAddr,
        /// What it said, or the system.
        source: RedisError,
    },
    /// It hangs.
    #[error("{address} does not answer within {} s", PATIENCE.as_secs())]
    Silent {
        /// Where it listens.
        address: ConnectionAddr,
    },
    /// No pair has so much.
    #[error("{table} has more than {MAX_KEYS} rows")]
    TooMany {
        /// The table.
        table: &'static str,
    },
    /// SONiC has not loaded its configuration yet, or loads it again: what is not in it means nothing.
    #[error("{LOADED} is not set at {address}: SONiC has not loaded its configuration")]
    NotLoaded {
        /// Where Redis listens.
        address: ConnectionAddr,
    },
}

/// Read the pair; `databases` is the file that says where CONFIG_DB is.
///
/// # Errors
///
/// When it cannot be read as a whole. What is wrong with single values is in the answer.
pub async fn read(databases: &Path) -> Result<Configured, ConfigDbError> {
    let database = Database::config_db(databases)?;
    match timeout(PATIENCE, read_rows(&database)).await {
        Ok(rows) => Ok(rows?.configured(&database.separator)),
        Err(_) => Err(ConfigDbError::Silent {
            address: database.address,
        }),
    }
}

async fn read_rows(database: &Database) -> Result<Rows, ConfigDbError> {
    let Database {
        address,
        id,
        separator,
    } = database;
    let failed = |source| ConfigDbError::Redis {
        address: address.clone(),
        source,
    };
    let mut connection = connect(address, *id).await.map_err(failed)?;
    // It may be loaded while it is read, or flushed to be loaded again.
    let was_loaded = is_loaded(&mut connection).await.map_err(failed)?;
    let chassis = CHASSIS.join(separator);
    let chassis = fields(&mut connection, &chassis).await.map_err(failed)?;
    let mut rows = Rows {
        chassis,
        ..Rows::default()
    };
    let mut tables = [
        (DOMAINS, BTreeSet::new()),
        (PORTS, BTreeSet::new()),
        (UNIQUE_IPS, BTreeSet::new()),
    ];
    for (table, found) in &mut tables {
        let prefix = format!("{table}{separator}");
        let mut cursor = 0;
        loop {
            let (next, keys) = scan(&mut connection, &prefix, cursor)
                .await
                .map_err(failed)?;
            // A key may come more than once.
            let keys = keys.iter().filter_map(|key| key.strip_prefix(&prefix));
            found.extend(keys.map(str::to_owned));
            if found.len() > MAX_KEYS {
                return Err(ConfigDbError::TooMany { table });
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    let [(_, domains), (_, ports), (_, unique_ips)] = tables;
    (rows.ports, rows.unique_ips) = (ports, unique_ips);
    for key in domains {
        let row = format!("{DOMAINS}{separator}{key}");
        match fields(&mut connection, &row).await {
            // It went away meanwhile.
            Ok(fields) if fields.is_empty() => {}
            Ok(fields) => drop(rows.domains.insert(key, fields)),
            Err(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => {
                rows.wrong.push(format!("CONFIG_DB {row}: {error}"));
            }
            Err(error) => return Err(failed(error)),
        }
    }
    if !(was_loaded && is_loaded(&mut connection).await.map_err(failed)?) {
        return Err(ConfigDbError::NotLoaded {
            address: address.clone(),
        });
    }
    Ok(rows)
}

async fn connect(address: &ConnectionAddr, id: i64) -> Result<MultiplexedConnection, RedisError> {
    // What the client is called no Redis before 7.2 can be told.
    let database = RedisConnectionInfo::default();
    let database = database.set_db(id).set_skip_set_lib_name();
    let info = address.clone().into_connection_info()?;
    let client = Client::open(info.set_redis_settings(database))?;
    client.get_multiplexed_async_connection().await
}

/// Earlier versions of SONiC set it to `true`.
async fn is_loaded(connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
    let mut command = redis::cmd("GET");
    let value: Option<Vec<u8>> = command.arg(LOADED).query_async(connection).await?;
    Ok(value.is_some_and(|value| !value.is_empty() && value != b"0"))
}

/// The fields of a row; none if there is no such row. SONiC marks lists in the names of their fields
/// (`spec/sonic-redis.md` 2.1).
async fn fields(connection: &mut MultiplexedConnection, key: &str) -> Result<Fields, RedisError> {
    let mut command = redis::cmd("HGETALL");
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = command.arg(key).query_async(connection).await?;
    let pairs = pairs.iter().map(|(name, value)| {
        let [name, value] = [name, value].map(|bytes| String::from_utf8_lossy(bytes));
        let name = name.split('@').next().unwrap_or_default();
        (name.to_owned(), value.into_owned())
    });
    Ok(pairs.collect())
}

/// The next keys that begin with this, and where to go on; zero at the end.
async fn scan(
    connection: &mut MultiplexedConnection,
    prefix: &str,
    cursor: u64,
) -> Result<(u64, Vec<String>), RedisError> {
    let mut command = redis::cmd("SCAN");
    command.arg(cursor).arg("MATCH").arg(format!("{prefix}*"));
    command.arg("COUNT").arg(SCANNED);
    let (next, keys): (u64, Vec<Vec<u8>>) = command.query_async(connection).await?;
    let keys = keys.iter();
    let keys = keys.map(|key| String::from_utf8_lossy(key).into_owned());
    Ok((next, keys.collect()))
}
