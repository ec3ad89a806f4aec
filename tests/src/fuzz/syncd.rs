//! The mclagsyncd protocol: both versions, both directions, every dialect.

use std::fmt::Debug;

use mclag_proto::sync::frame::{self, Frame, FrameError, HEADER_LEN, MAX_LEN, MAX_LEN_V1};
use mclag_proto::sync::{v1, v2};

use super::cuttings;

/// What a SONiC `iccpd` says.
pub fn syncd_v1_client_sonic(bytes: &[u8]) {
    v1_stream::<v1::ClientMessage>(bytes, v1::Dialect::Sonic);
}

/// What linux-mclag's `iccpd` says.
pub fn syncd_v1_client_linux_mclag(bytes: &[u8]) {
    v1_stream::<v1::ClientMessage>(bytes, v1::Dialect::LinuxMclag);
}

/// What an `iccpd` of the generation between them says.
pub fn syncd_v1_client_intermediate(bytes: &[u8]) {
    v1_stream::<v1::ClientMessage>(bytes, v1::Dialect::Intermediate);
}

/// What SONiC's `mclagsyncd` says.
pub fn syncd_v1_server_sonic(bytes: &[u8]) {
    v1_stream::<v1::ServerMessage>(bytes, v1::Dialect::Sonic);
}

/// What linux-mclag's `mclagsyncd.py` says.
pub fn syncd_v1_server_linux_mclag(bytes: &[u8]) {
    v1_stream::<v1::ServerMessage>(bytes, v1::Dialect::LinuxMclag);
}

/// What a `mclagsyncd` of the generation between them says.
pub fn syncd_v1_server_intermediate(bytes: &[u8]) {
    v1_stream::<v1::ServerMessage>(bytes, v1::Dialect::Intermediate);
}

/// Finding out the dialect, on either side.
pub fn syncd_v1_detector(bytes: &[u8]) {
    let (frames, _) = frames([bytes], true);
    let assumptions = v1::Dialect::ALL.map(Some).into_iter().chain([None]);
    for assumed in assumptions {
        for side in [v1::Side::Client, v1::Side::Server] {
            let mut detector = v1::Detector::new(side, assumed);
            let mut told = vec![assumed];
            for frame in &frames {
                let dialect = detector.frame(frame);
                assert_eq!(dialect, detector.dialect());
                if told.last() != Some(&dialect) {
                    told.push(dialect);
                }
            }
            // Decided once, and corrected at most once, between the two older dialects.
            assert!(told.len() <= 3, "{told:?}");
            if let [_, first, second] = told[..] {
                let older = [v1::Dialect::LinuxMclag, v1::Dialect::Intermediate].map(Some);
                let is_correction = older.contains(&first) && older.contains(&second);
                assert!(is_correction, "{told:?}");
            }
        }
    }
}

/// What our `iccpd` says.
pub fn syncd_v2_client(bytes: &[u8]) {
    v2_stream(
        bytes,
        |parts| {
            let mut codec = v2::Codec::server();
            drain(parts, |part| match part {
                Some(part) => {
                    codec.push(part);
                    Ok(None)
                }
                None => codec.next_message(),
            })
        },
        v2::ClientMessage::encode,
    );
}

/// What our `syncd` says.
pub fn syncd_v2_server(bytes: &[u8]) {
    v2_stream(
        bytes,
        |parts| {
            let mut codec = v2::Codec::client();
            drain(parts, |part| match part {
                Some(part) => {
                    codec.push(part);
                    Ok(None)
                }
                None => codec.next_message(),
            })
        },
        v2::ServerMessage::encode,
    );
}

/// The frames of a stream, and how it ended.
fn frames<'a>(
    parts: impl IntoIterator<Item = &'a [u8]>,
    is_v1: bool,
) -> (Vec<Frame>, Option<FrameError>) {
    let (mut decoder, limit) = match is_v1 {
        true => (frame::Decoder::v1(), MAX_LEN_V1),
        false => (frame::Decoder::new(), MAX_LEN),
    };
    let mut frames = Vec::new();
    for part in parts {
        decoder.push(part);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.pending(), 0, "kept behind a fatal error");
                    return (frames, Some(error));
                }
            }
        }
        assert!(decoder.pending() < limit, "more than one frame is kept");
    }
    (frames, None)
}

/// A message of version 1, whoever sends it.
trait V1: Clone + Debug + PartialEq + Sized {
    fn decode(
        frame: &Frame,
        dialect: v1::Dialect,
    ) -> Result<Option<v1::Decoded<Self>>, v1::DecodeError>;
    fn encode(&self, dialect: v1::Dialect) -> Result<Vec<u8>, v1::EncodeError>;
    fn split(self, dialect: v1::Dialect) -> Vec<Self>;
}

macro_rules! is_v1 {
    ($($message:ty)*) => {
        $(impl V1 for $message {
            fn decode(
                frame: &Frame,
                dialect: v1::Dialect,
            ) -> Result<Option<v1::Decoded<Self>>, v1::DecodeError> {
                <$message>::decode(frame, dialect)
            }

            fn encode(&self, dialect: v1::Dialect) -> Result<Vec<u8>, v1::EncodeError> {
                <$message>::encode(self, dialect)
            }

            fn split(self, dialect: v1::Dialect) -> Vec<Self> {
                <$message>::split(self, dialect)
            }
        })*
    };
}

is_v1!(v1::ClientMessage v1::ServerMessage);

fn v1_stream<M: V1>(bytes: &[u8], dialect: v1::Dialect) {
    let whole = frames([bytes], true);
    for cutting in cuttings(bytes) {
        assert_eq!(frames(cutting, true), whole, "cut in another way");
    }
    for frame in &whole.0 {
        v1_message::<M>(frame, dialect);
    }
}

fn v1_message<M: V1>(frame: &Frame, dialect: v1::Dialect) {
    let end = HEADER_LEN + frame.body.len();
    let decoded = match M::decode(frame, dialect) {
        Ok(Some(decoded)) => decoded,
        Ok(None) => return,
        Err(error) => return complaint(&error, end),
    };
    assert!(decoded.skipped.len() <= frame.body.len());
    for skipped in &decoded.skipped {
        complaint(&skipped.error, end);
    }
    v1_again(&decoded.message, dialect, end);
    // Of several attributes that a domain record resets, each becomes a record of its own.
    for part in decoded.message.split(dialect) {
        v1_again(&part, dialect, MAX_LEN_V1);
    }
}

/// Write a message that was read; it must not have more than `end` bytes.
fn v1_again<M: V1>(message: &M, dialect: v1::Dialect, end: usize) {
    let bytes = match message.encode(dialect) {
        Ok(bytes) => bytes,
        // Tolerated when read, and yet not to be sent.
        Err(
            v1::EncodeError::Name(_)
            | v1::EncodeError::NoPort(_)
            | v1::EncodeError::Separator(_)
            | v1::EncodeError::Empty { .. },
        ) => return,
        Err(error) => panic!("{message:?} was read, but: {error}"),
    };
    assert!(bytes.len() <= end, "{} bytes became {}", end, bytes.len());
    let (frames, error) = frames([bytes.as_slice()], true);
    assert_eq!(error, None);
    let [frame] = frames.as_slice() else {
        panic!("one message became {frames:?}");
    };
    let again = M::decode(frame, dialect);
    let again = again.expect("what we write can be read");
    let again = again.expect("what we write is in the dialect");
    assert_eq!(again.skipped, []);
    assert_eq!(again.message.encode(dialect), Ok(bytes));
}

/// What is said of something that cannot be read: where it is, on one line that is not too long.
fn complaint(error: &v1::DecodeError, end: usize) {
    let text = error.to_string();
    assert!(text.len() < 400 && !text.contains('\n'), "{text}");
    assert!(
        error.offset <= end,
        "{text}, but the message has {end} bytes"
    );
}

fn v2_stream<M: Clone + Debug + PartialEq>(
    bytes: &[u8],
    read: impl Fn(Vec<&[u8]>) -> (Vec<M>, Option<v2::DecodeError>),
    write: impl Fn(&M) -> Result<Vec<u8>, v2::EncodeError>,
) {
    let whole = read(vec![bytes]);
    let cut_whole = frames([bytes], false);
    for cutting in cuttings(bytes) {
        assert_eq!(frames(cutting.clone(), false), cut_whole);
        assert_eq!(read(cutting), whole, "cut in another way");
    }
    for message in whole.0 {
        let bytes = write(&message).expect("what was read can be written");
        assert_eq!(read(vec![&bytes]), (vec![message], None));
    }
}

/// All messages of a stream. `next` is given a part of it, or asked for a message.
fn drain<M>(
    parts: Vec<&[u8]>,
    mut next: impl FnMut(Option<&[u8]>) -> Result<Option<M>, v2::DecodeError>,
) -> (Vec<M>, Option<v2::DecodeError>) {
    let mut messages = Vec::new();
    for part in parts {
        let mut step = next(Some(part));
        loop {
            match step {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => {}
                Err(error) => return (messages, Some(error)),
            }
            step = next(None);
            if matches!(step, Ok(None)) {
                break;
            }
        }
    }
    (messages, None)
}
