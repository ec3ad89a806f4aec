//! CONFIG_DB decides, where it can be read. Reading it from Redis is tested in `syncd/tests/config_db.rs`.

use std::sync::{Arc, Mutex};

use super::*;
use crate::backend::mclagsyncd::{ConfigDb, Configured};

/// What CONFIG_DB has, to be changed at any time, and how often it was read.
#[derive(Clone, Default)]
struct Database(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    content: Option<Result<Configured, String>>,
    readings: usize,
}

impl Database {
    fn having(ports: &[&str]) -> Self {
        let database = Self::default();
        database.have(Ok(pair(ports)));
        database
    }

    fn have(&self, content: Result<Configured, String>) {
        self.0.lock().unwrap().content = Some(content);
    }

    fn readings(&self) -> usize {
        self.0.lock().unwrap().readings
    }

    /// Without a content it hangs.
    fn reader(&self) -> ConfigDb {
        let database = self.clone();
        ConfigDb::new(move || {
            let database = database.clone();
            async move {
                let content = {
                    let mut inner = database.0.lock().unwrap();
                    inner.readings += 1;
                    inner.content.clone()
                };
                match content {
                    Some(content) => content,
                    None => pending().await,
                }
            }
        })
    }
}

fn pair(ports: &[&str]) -> Configured {
    let ServerMessage::Interfaces(ports) = super::ports(RecordOp::Add, ports) else {
        panic!("ports");
    };
    Configured {
        domains: vec![domain_record(DomainOp::Add)],
        ports,
        ..Configured::default()
    }
}

/// A directory in which a pair is remembered, and the server that named it.
async fn remembered(listener: &TcpListener, name: &str) -> TempDir {
    let dir = TempDir::new(name);
    let mut client = remembering(listener, &dir);
    let mut stream = accept(&mut client, listener).await;
    tell_pair(&mut stream).await;
    settled(&mut client).await;
    assert_eq!(known(&client), BOTH);
    dir
}

async fn until_known(client: &mut Client, pair: &str) {
    while known(client) != pair {
        next(client).await;
    }
}

/// Input: what is remembered has two ports and a VLAN interface; CONFIG_DB has one other port. Output: that is the
/// pair, before anybody is connected and with a server that tells nothing. Who is in which VLAN is not in CONFIG_DB.
#[tokio::test(start_paused = true)]
async fn config_db_decides_instead_of_what_is_remembered() {
    let listener = listener().await;
    let dir = remembered(&listener, "config-db").await;
    let database = Database::having(&["PortChannel3"]);
    let mut client = remembering(&listener, &dir).with_config_db(database.reader());
    assert_eq!(known(&client), BOTH);
    let decided = "PortChannel3  PortChannel1=10,PortChannel2=10";
    until_known(&mut client, decided).await;
    assert_eq!(client.remembered(), None);
    let _stream = accept(&mut client, &listener).await;
    settled(&mut client).await;
    assert_eq!(known(&client), decided);
    assert_eq!(client.remembered(), None);
    assert!(matches!(client.config_db(), Some(Ok(_))));
    let domain = DomainId::new(1).unwrap();
    assert_eq!(client.forget_pair(), Err(NothingRemembered::Named(domain)));
    drop(client);
    assert_eq!(known(&remembering(&listener, &dir)), decided);
}

/// A domain that was deleted while nobody was connected, which no server tells.
#[tokio::test(start_paused = true)]
async fn a_pair_that_config_db_does_not_have_is_gone() {
    let listener = listener().await;
    let dir = remembered(&listener, "config-db-none").await;
    let database = Database::default();
    database.have(Ok(Configured::default()));
    let mut client = remembering(&listener, &dir).with_config_db(database.reader());
    assert_eq!(next(&mut client).await, ServerEvent::Settings(None));
    assert_eq!(client.settings(), Some(None));
    drop(client);
    assert_eq!(remembering(&listener, &dir).remembered(), None);
}

/// Input: CONFIG_DB cannot be read, and later can. Output: as without it until then; it is tried again by itself.
#[tokio::test(start_paused = true)]
async fn without_a_usable_config_db_the_pair_is_remembered_until_it_can_be_read() {
    let listener = listener().await;
    let dir = remembered(&listener, "config-db-unusable").await;
    let database = Database::default();
    database.have(Err("no such file".to_owned()));
    let mut client = remembering(&listener, &dir).with_config_db(database.reader());
    let _stream = accept(&mut client, &listener).await;
    settled(&mut client).await;
    assert_eq!(known(&client), BOTH);
    assert!(client.remembered().is_some());
    assert_eq!(client.config_db(), Some(Err("no such file")));
    database.have(Ok(pair(&["PortChannel3"])));
    until_known(&mut client, "PortChannel3  PortChannel1=10,PortChannel2=10").await;
    assert_eq!(client.remembered(), None);
}

/// What CONFIG_DB said at the start is as old as that once a connection was lost.
#[tokio::test(start_paused = true)]
async fn a_pair_that_config_db_no_longer_confirms_is_remembered_again() {
    let listener = listener().await;
    let database = Database::having(&["PortChannel1"]);
    let mut client = client(&listener, Some(Dialect::Sonic)).with_config_db(database.reader());
    let stream = accept(&mut client, &listener).await;
    settled(&mut client).await;
    assert_eq!(client.remembered(), None);
    database.have(Err("gone".to_owned()));
    drop(stream);
    while next(&mut client).await != ServerEvent::Down {}
    let _stream = accept(&mut client, &listener).await;
    settled(&mut client).await;
    assert!(client.remembered().is_some());
    assert_eq!(known(&client), "PortChannel1  ");
}

#[tokio::test(start_paused = true)]
async fn a_config_db_that_hangs_delays_nothing() {
    let listener = listener().await;
    let database = Database::default();
    let mut client = client(&listener, Some(Dialect::Sonic)).with_config_db(database.reader());
    let mut stream = accept(&mut client, &listener).await;
    tell_pair(&mut stream).await;
    settled(&mut client).await;
    assert_eq!(known(&client), BOTH);
    assert_eq!(client.config_db(), None);
}

/// Input: the server tells of the pair while CONFIG_DB is being read. Output: whether it was read before or after that
/// nobody knows, so it does not count, and is read again.
#[tokio::test(start_paused = true)]
async fn what_the_server_told_during_a_reading_is_not_undone_by_it() {
    let listener = listener().await;
    let database = Database::default();
    let mut client = client(&listener, Some(Dialect::Sonic)).with_config_db(database.reader());
    let mut stream = accept(&mut client, &listener).await;
    let began = Instant::now();
    tell_pair(&mut stream).await;
    settled(&mut client).await;
    let before = database.readings();
    client.config_db_was_read((began, Ok(pair(&["PortChannel3"]))));
    assert_eq!(known(&client), BOTH);
    database.have(Ok(pair(&["PortChannel4"])));
    tokio::time::advance(Duration::from_millis(1)).await;
    until_known(&mut client, "PortChannel4  PortChannel1=10,PortChannel2=10").await;
    assert_eq!(database.readings(), before + 1);
}

/// Having a pair forgotten that is wrong brings the right one.
#[tokio::test(start_paused = true)]
async fn config_db_is_read_when_an_operator_has_the_pair_forgotten() {
    let listener = listener().await;
    let database = Database::having(&["PortChannel1"]);
    let mut client = client(&listener, Some(Dialect::Sonic)).with_config_db(database.reader());
    let _stream = accept(&mut client, &listener).await;
    settled(&mut client).await;
    let before = database.readings();
    database.have(Ok(pair(&["PortChannel2"])));
    assert!(client.forget_pair().is_err(), "CONFIG_DB has it");
    until_known(&mut client, "PortChannel2  ").await;
    assert_eq!(database.readings(), before + 1);
}
