//! Both control sockets: that of the legacy daemons, and ours.

use std::fmt::Debug;

use mclag_proto::bytes::Writer;
use mclag_proto::ctl;
use mclag_proto::mclagdctl::{Command, Data, Dialect, ReplyHeader, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;

const DIALECTS: [Dialect; 2] = [Dialect::Sonic, Dialect::LinuxMclag];

/// A request of the legacy tool.
pub fn mclagdctl_request(bytes: &[u8]) {
    let Some(bytes) = bytes.first_chunk::<{ Request::LEN }>() else {
        return;
    };
    for dialect in DIALECTS {
        match Request::decode(bytes, dialect) {
            Ok(request) => {
                let again = request
                    .encode(dialect)
                    .expect("the dialect has the command");
                // The parameters behind them are ignored.
                assert_eq!(again[..8], bytes[..8]);
                assert_eq!(Request::decode(&again, dialect), Ok(request));
            }
            Err(error) => assert!(error.to_string().len() < 200),
        }
    }
}

/// A reply of a legacy daemon, as a tool of either dialect takes it.
pub fn mclagdctl_reply(bytes: &[u8]) {
    let Some((_, body)) = bytes.split_at_checked(4) else {
        return;
    };
    let Ok(header) = ReplyHeader::decode(body) else {
        return;
    };
    let again = ReplyHeader::decode(&[&header.encode()[4..], &body[12..]].concat());
    assert_eq!(again, Ok(header));
    let len = usize::try_from(header.data_len).expect("it fits the body");
    let data = &body[12..12 + len];
    for dialect in DIALECTS {
        if let Some(command) = Command::from_code(header.info_type, dialect) {
            records(command, dialect, data);
        }
    }
}

fn records(command: Command, dialect: Dialect, bytes: &[u8]) {
    let data = match Data::decode(command, dialect, bytes) {
        Ok(data) => data,
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() < 1000, "{text}");
            return;
        }
    };
    let written = encoded(&data, dialect);
    assert!(written.len() <= bytes.len(), "records grew");
    let again = Data::decode(command, dialect, &written);
    let again = again.expect("what was written can be read");
    assert_eq!(again, data);
    assert_eq!(encoded(&again, dialect), written);
}

fn encoded(data: &Data, dialect: Dialect) -> Vec<u8> {
    let mut out = Writer::new();
    data.encode(dialect, &mut out);
    out.into_bytes()
}

/// A request of `mclagctl`.
pub fn ctl_request(bytes: &[u8]) {
    json::<ctl::Request>(bytes);
}

/// A reply to `mclagctl`.
pub fn ctl_reply(bytes: &[u8]) {
    json::<ctl::Reply>(bytes);
}

fn json<T: Debug + DeserializeOwned + PartialEq + Serialize>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else {
        return;
    };
    let line = serde_json::to_vec(&value).expect("what was read can be written");
    assert!(!line.contains(&b'\n'), "one message is one line");
    let again = serde_json::from_slice::<T>(&line);
    assert_eq!(again.expect("what was written can be read"), value);
}
