//! The peer protocol, in both dialects, and telling them apart.

use mclag_proto::iccp::{
    Body, DecodeError, Decoder, Detection, Detector, Dialect, MAX_MESSAGE, Message, Tlv, encode,
};

use super::cuttings;

/// The stream of a peer that speaks as SONiC does.
pub fn iccp_sonic(bytes: &[u8]) {
    stream(bytes, Dialect::Sonic);
}

/// The stream of a peer that speaks as linux-mclag does.
pub fn iccp_linux_mclag(bytes: &[u8]) {
    stream(bytes, Dialect::LinuxMclag);
}

/// The first bytes of a peer that is not known yet.
pub fn iccp_detector(bytes: &[u8]) {
    let detection = detect([bytes]);
    for cutting in cuttings(bytes) {
        assert_eq!(
            plain(detect(cutting)),
            plain(detection),
            "cut in another way"
        );
    }
    // What was decided by the first bytes is not changed by those behind them.
    for len in 0..bytes.len().min(64) {
        match detect([&bytes[..len]]) {
            Detection::Undecided => {}
            decided => assert_eq!(plain(decided), plain(detection), "after {len} bytes"),
        }
    }
    let mut detector = Detector::default();
    match detector.push(bytes) {
        Detection::Decided(dialect) => {
            let mut decoder = detector.into_decoder(dialect);
            assert_eq!(decoder.buffered(), bytes.len(), "bytes got lost");
            if let Some(Err(error)) = decoder.next() {
                let is_stranger = matches!(
                    error,
                    DecodeError::OtherDialect { .. } | DecodeError::Stranger { .. }
                );
                assert!(
                    !is_stranger,
                    "detected {dialect}, and its decoder says: {error}"
                );
            }
        }
        Detection::Undecided => assert!(bytes.len() < 4, "{} bytes say nothing", bytes.len()),
        Detection::Impossible { offset, .. } => assert!(offset < 4),
    }
}

fn detect<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Detection {
    let mut detector = Detector::default();
    let mut detection = detector.push(&[]);
    for part in parts {
        if detection == Detection::Undecided {
            detection = detector.push(part);
        }
    }
    detection
}

/// What was detected, without what depends on how much was there to be looked at.
fn plain(detection: Detection) -> (Option<Dialect>, Option<usize>) {
    match detection {
        Detection::Undecided => (None, None),
        Detection::Decided(dialect) => (Some(dialect), None),
        Detection::Impossible { offset, .. } => (None, Some(offset)),
    }
}

fn stream(bytes: &[u8], dialect: Dialect) {
    let whole = read([bytes], dialect);
    for cutting in cuttings(bytes) {
        assert_eq!(read(cutting, dialect), whole, "cut in another way");
    }
    for message in whole.into_iter().filter_map(Result::ok) {
        written_again(&message, dialect);
        written_in_the_other(&message, dialect);
    }
}

/// Why there is no message: in words, without the excerpt of a stranger's bytes, of which more or fewer may be there.
type Reason = String;

fn read<'a>(
    parts: impl IntoIterator<Item = &'a [u8]>,
    dialect: Dialect,
) -> Vec<Result<Message, Reason>> {
    let mut decoder = Decoder::new(dialect);
    let mut items = Vec::new();
    let mut is_lost = false;
    for part in parts {
        decoder.push(part);
        for item in decoder.by_ref() {
            assert!(!is_lost, "something is read behind a fatal error: {item:?}");
            items.push(item.map_err(|error| {
                let text = error.to_string();
                assert!(text.len() < 300 && !text.contains('\n'), "{text}");
                is_lost = error.is_fatal();
                match error {
                    DecodeError::Stranger { .. } => "stranger".into(),
                    _ => text,
                }
            }));
        }
        assert!(
            decoder.buffered() < MAX_MESSAGE,
            "more than one message is kept"
        );
        assert!(!is_lost || decoder.buffered() == 0);
    }
    items
}

/// Write a message and read it: behind another one, since a stream begins with a message of a known type.
fn through(message: &Message, dialect: Dialect) -> Option<(Vec<u8>, Vec<Message>)> {
    let capability = Message {
        id: 0,
        body: Body::Capability,
    };
    let mut bytes = Vec::new();
    encode(&capability, dialect, &mut bytes).expect("every dialect has capabilities");
    let start = bytes.len();
    encode(message, dialect, &mut bytes).ok()?;
    let items = read([bytes.as_slice()], dialect);
    let messages = items.into_iter().skip(1);
    let messages = messages.map(|item| item.expect("what we write can be read"));
    Some((bytes.split_off(start), messages.collect()))
}

fn written_again(message: &Message, dialect: Dialect) {
    let (bytes, again) = through(message, dialect).expect("what a dialect said is in it");
    if is_empty_list(message) && dialect == Dialect::LinuxMclag {
        assert!(again.is_empty(), "{again:?}");
        return;
    }
    let [again] = again.as_slice() else {
        panic!("{message:?} became {again:?}");
    };
    assert_eq!(again, message);
    assert_eq!(through(again, dialect), Some((bytes, vec![again.clone()])));
}

fn written_in_the_other(message: &Message, dialect: Dialect) {
    // A type that one dialect does not know may be one that the other does, with a content that nobody kept.
    if let Body::Application {
        tlv: Tlv::Unknown { .. },
        ..
    } = message.body
    {
        return;
    }
    let other = match dialect {
        Dialect::Sonic => Dialect::LinuxMclag,
        Dialect::LinuxMclag => Dialect::Sonic,
    };
    let Some((_, translated)) = through(message, other) else {
        return;
    };
    if let Some(last) = translated.last() {
        assert_eq!(last.id, message.id, "the last part bears the id");
    }
    for part in &translated {
        written_again(part, other);
    }
}

fn is_empty_list(message: &Message) -> bool {
    match &message.body {
        Body::Application { tlv, .. } => match tlv {
            Tlv::MacInfo(entries) => entries.is_empty(),
            Tlv::ArpInfo(entries) => entries.is_empty(),
            Tlv::NdiscInfo(entries) => entries.is_empty(),
            _ => false,
        },
        _ => false,
    }
}
