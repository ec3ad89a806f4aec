//! SONiC's databases in Redis (`spec/sonic-redis.md`). Built with the feature `sonic` alone.
//!
//! * [`databases`]: where they are.
//! * [`config_db`]: what CONFIG_DB has of the pair; read, never written.
//! * `rows`: from its rows to records as `mclagsyncd` sends them; pure.

pub mod config_db;
pub mod databases;
mod rows;
