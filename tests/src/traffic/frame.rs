//! The numbered frames that the lab sends and counts.

use mclag_proto::addr::{Mac, Vid};

/// The Ethernet type for local experiments (IEEE 802 section 9.2.2), which no protocol of a host uses.
pub const ETHERTYPE: u16 = 0x88b5;

const TAG: u16 = 0x8100;
const MAGIC: [u8; 4] = *b"mclg";
/// Ethernet's shortest frame, without checksum.
const SHORTEST: usize = 60;
const HEADER: usize = 14;

/// One direction of traffic: frames that carry its number and their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stream {
    /// Tells this stream's frames from those of others.
    pub id: u32,
    /// Source address.
    pub from: Mac,
    /// Destination address: a host, a group, everybody, or nobody that is known.
    pub to: Mac,
    /// A tag that the sender writes into the frame itself. Not needed on a VLAN device, which tags by itself.
    pub tag: Option<Vid>,
}

/// What a frame says about itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Label {
    pub(super) stream: u32,
    pub(super) number: u32,
    /// Nanoseconds on the clock of this process.
    pub(super) sent_ns: u64,
}

impl Stream {
    /// The frame of that number.
    pub(super) fn frame(&self, number: u32, sent_ns: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SHORTEST);
        bytes.extend_from_slice(&self.to.0);
        bytes.extend_from_slice(&self.from.0);
        if let Some(vid) = self.tag {
            bytes.extend_from_slice(&TAG.to_be_bytes());
            bytes.extend_from_slice(&vid.get().to_be_bytes());
        }
        bytes.extend_from_slice(&ETHERTYPE.to_be_bytes());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&sent_ns.to_be_bytes());
        bytes.resize(bytes.len().max(SHORTEST), 0);
        bytes
    }
}

impl Label {
    /// Read the label of a received frame, whose tag the kernel has taken off. `None` if the frame is not ours.
    pub(super) fn of(frame: &[u8]) -> Option<Self> {
        let payload = frame.get(HEADER..)?;
        let (magic, rest) = payload.split_first_chunk()?;
        let (stream, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (sent_ns, _) = rest.split_first_chunk()?;
        (*magic == MAGIC).then(|| Self {
            stream: u32::from_be_bytes(*stream),
            number: u32::from_be_bytes(*number),
            sent_ns: u64::from_be_bytes(*sent_ns),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Stream = Stream {
        id: 7,
        from: Mac([2, 0, 0, 0, 0, 1]),
        to: Mac([2, 0, 0, 0, 0, 2]),
        tag: None,
    };

    #[test]
    fn a_frame_carries_its_label() {
        let frame = STREAM.frame(3, 99);
        assert_eq!(frame.len(), SHORTEST);
        let label = Label {
            stream: 7,
            number: 3,
            sent_ns: 99,
        };
        assert_eq!(Label::of(&frame), Some(label));
    }

    #[test]
    fn a_tag_precedes_the_type() {
        let frame = Stream {
            tag: Vid::new(20),
            ..STREAM
        }
        .frame(0, 0);
        assert_eq!(frame[12..18], [0x81, 0, 0, 20, 0x88, 0xb5]);
    }

    #[test]
    fn a_short_or_foreign_frame_has_no_label() {
        let frame = STREAM.frame(0, 0);
        for len in 0..HEADER + 20 {
            assert_eq!(Label::of(&frame[..len]), None, "at {len} bytes");
        }
        assert_eq!(Label::of(&[0; SHORTEST]), None);
    }
}
