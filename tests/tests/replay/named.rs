//! A pair that SONiC's `mclagsyncd` describes (`spec/mclagsyncd-protocol.md` 5.2): neither of our daemons has it in its
//! settings.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddrV4, TcpListener, TcpStream};

use anyhow::{Result, ensure};
use mclag_proto::sync::{frame::Decoder, v1};
use mclag_proto::{DomainId, IfName, Mac};
use mclag_test_support::TempDir;
use mclag_tests::replay::process::{Beside, PATIENCE, accept, loopback};
use serde_json::json;

/// TCP port of the server.
const PORT: u16 = 12_626;

const NETWORK: u8 = 13;

/// Stands in for the `mclagsyncd` of SONiC.
struct Server {
    stream: TcpStream,
    decoder: Decoder,
}

impl Server {
    fn accept(listener: &TcpListener) -> Result<Self> {
        let stream = accept(listener)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            decoder: Decoder::v1(),
        })
    }

    /// Say that the pair has this number, or has it no more.
    fn name_pair(&mut self, id: u16, op: v1::DomainOp) -> Result<()> {
        let record = v1::DomainRecord {
            op,
            domain: DomainId::new(id).unwrap(),
            keepalive_s: 1,
            session_timeout_s: 15,
            local: Some(loopback(NETWORK, 1)),
            peer: Some(loopback(NETWORK, 2)),
            peer_link: IfName::new("peer-absent").ok(),
            system_mac: Mac([2, 0, 0, 0, 0, 1]),
            attributes: v1::DomainAttributes::from_bits_retain(0x1f),
        };
        let message = v1::ServerMessage::Domain(vec![record]);
        Ok(self
            .stream
            .write_all(&message.encode(v1::Dialect::Sonic)?)?)
    }

    /// The next message that is one of `wanted`.
    fn hear(&mut self, wanted: impl Fn(&v1::ClientMessage) -> bool) -> Result<v1::ClientMessage> {
        loop {
            while let Some(frame) = self.decoder.next_frame()? {
                let decoded = v1::ClientMessage::decode(&frame, v1::Dialect::Sonic)?;
                if let Some(decoded) = decoded
                    && wanted(&decoded.message)
                {
                    return Ok(decoded.message);
                }
            }
            let mut buffer = [0; 4096];
            let len = self.stream.read(&mut buffer)?;
            ensure!(len > 0, "the daemon went away");
            self.decoder.push(&buffer[..len]);
        }
    }
}

fn role(id: u16) -> v1::ClientMessage {
    v1::ClientMessage::IccpRole {
        domain: DomainId::new(id).unwrap(),
        is_active: true,
        system_id: Some(Mac([2, 0, 0, 0, 0, 1])),
    }
}

/// The pair that a server names is there without a second connection, changes its number, and is
/// taken back when the server takes it back, whatever follows at once.
#[test]
fn a_pair_comes_changes_and_goes_with_a_server() {
    let place = TempDir::new("named");
    let address = SocketAddrV4::new(loopback(NETWORK, 6), PORT);
    let listener = TcpListener::bind(address).unwrap();
    let settings = "[domain]\ntcp-port = 18889\nbridge = \"br-absent\"\n";
    let mut daemons = Beside::start(&place, "sonic", address, settings).unwrap();
    let mut server = Server::accept(&listener).unwrap();
    let no_pair = "no pair is configured";
    daemons.iccpd.wait_for_refusal("status", no_pair).unwrap();
    let mut run = || -> Result<()> {
        server.name_pair(7, v1::DomainOp::Add)?;
        let is_role =
            |message: &v1::ClientMessage| matches!(message, v1::ClientMessage::IccpRole { .. });
        assert_eq!(server.hear(is_role)?, role(7));
        daemons
            .iccpd
            .wait("status", |status| status["domain"] == 7)?;

        // Both at once: the second must not be lost while the first is carried out.
        server.name_pair(7, v1::DomainOp::Delete)?;
        server.name_pair(8, v1::DomainOp::Add)?;
        let is_end = |message: &v1::ClientMessage| {
            is_role(message) || matches!(message, v1::ClientMessage::DeleteIccpInfo { .. })
        };
        let domain = DomainId::new(7).unwrap();
        assert_eq!(
            server.hear(is_end)?,
            v1::ClientMessage::DeleteIccpInfo { domain }
        );
        daemons
            .iccpd
            .wait("status", |status| status["domain"] == 8)?;
        // Everything is said of the new pair.
        assert_eq!(server.hear(is_role)?, role(8));
        listener.set_nonblocking(true)?;
        assert!(listener.accept().is_err(), "one connection is enough");
        Ok(())
    };
    run().unwrap_or_else(|error| panic!("{error:#}\n{}", daemons.log()));
    assert_eq!(daemons.iccpd.stop().unwrap(), 0);
}

/// `spec/mclagsyncd-protocol.md` 12, item 1: SONiC's server tells its second client nothing. Both of our daemons
/// are killed, and have their pair again; then an operator has it forgotten.
#[test]
fn a_pair_that_was_named_once_is_there_again_when_both_daemons_were_killed() {
    let place = TempDir::new("named-once");
    let address = SocketAddrV4::new(loopback(NETWORK, 7), PORT);
    let listener = TcpListener::bind(address).unwrap();
    let settings = "[domain]\ntcp-port = 18891\nbridge = \"br-absent\"\n";
    let mut daemons = Beside::start(&place, "sonic", address, settings).unwrap();
    let mut server = Server::accept(&listener).unwrap();
    let mut run = || -> Result<()> {
        server.name_pair(7, v1::DomainOp::Add)?;
        daemons.iccpd.wait("status", |status| {
            status["domain"] == 7 && status["pair_unconfirmed_for_s"].is_null()
        })?;
        daemons.start_again(&place)?;
        server = Server::accept(&listener)?;
        daemons.iccpd.wait("status", |status| {
            status["domain"] == 7 && status["pair_unconfirmed_for_s"].is_number()
        })?;
        daemons.syncd.wait("dataplane", |shown| {
            shown["remembered"]["domain"] == 7
                && shown["remembered"]["unconfirmed_for_s"].is_number()
        })?;
        let forgotten = daemons.syncd.ask("forget-pair");
        assert_eq!(forgotten, Some(json!({ "forgotten": 7 })));
        let no_pair = "no pair is configured";
        daemons.iccpd.wait_for_refusal("status", no_pair)?;
        daemons.start_again(&place)?;
        server = Server::accept(&listener)?;
        daemons.iccpd.wait_for_refusal("status", no_pair)?;
        let shown = daemons
            .syncd
            .wait("dataplane", |shown| shown["clients"] != json!([]))?;
        assert_eq!(shown["remembered"], json!(null));
        Ok(())
    };
    run().unwrap_or_else(|error| panic!("{error:#}\n{}", daemons.log()));
    assert_eq!(daemons.iccpd.stop().unwrap(), 0);
}
