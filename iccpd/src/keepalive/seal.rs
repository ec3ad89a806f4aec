//! The signature of a keepalive: HMAC-SHA256 (RFC 2104, FIPS 180-4) with a key of the pair.
//!
//! Not in `mclag-proto`, which is free of libc: `sha2` asks it on ARM what the processor can do.

use hmac::{Hmac, Mac as _};
use mclag_netlink::tcp::Key;
use mclag_proto::keepalive::{self, DecodeError, Keepalive};
use sha2::Sha256;

/// A datagram: a keepalive and its signature.
pub(super) const LEN: usize = keepalive::LEN + SIGNATURE;

const SIGNATURE: usize = 32;
/// The key also signs the session: what is signed here cannot be taken for anything else.
const CONTEXT: &[u8] = b"mclag keepalive\0";

/// Why a datagram is no keepalive of this pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unsealed {
    /// No key of the pair has signed it.
    Key,
    /// It cannot be read.
    Unreadable(DecodeError),
}

fn hmac(key: &Key, body: &[u8]) -> Hmac<Sha256> {
    let mut hmac = Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    hmac.update(CONTEXT);
    hmac.update(body);
    hmac
}

/// The datagram.
pub(super) fn seal(keepalive: &Keepalive, key: &Key) -> [u8; LEN] {
    let body = keepalive.encode();
    let signature = hmac(key, &body).finalize().into_bytes();
    let mut datagram = [0; LEN];
    datagram[..keepalive::LEN].copy_from_slice(&body);
    datagram[keepalive::LEN..].copy_from_slice(&signature);
    datagram
}

/// What a datagram says, if one of the keys has signed it.
pub(super) fn open(datagram: &[u8], keys: &[Key]) -> Result<Keepalive, Unsealed> {
    let (body, signature) = datagram
        .split_last_chunk::<SIGNATURE>()
        .ok_or(Unsealed::Unreadable(DecodeError::Length(datagram.len())))?;
    // Version and length are looked at first: another version may be signed otherwise.
    let keepalive = Keepalive::decode(body);
    if let Err(error @ (DecodeError::Version(_) | DecodeError::Length(_))) = keepalive {
        return Err(Unsealed::Unreadable(error));
    }
    // In constant time.
    let has_signed = |key: &Key| hmac(key, body).verify_slice(signature).is_ok();
    if !keys.iter().any(has_signed) {
        return Err(Unsealed::Key);
    }
    keepalive.map_err(Unsealed::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::DomainId;
    use mclag_proto::keepalive::Instance;
    use std::time::Duration;

    fn keepalive() -> Keepalive {
        Keepalive {
            domain: DomainId::new(10).unwrap(),
            interval: Duration::from_millis(100),
            instance: Instance([1; 16]),
            sequence: 1,
            echo: None,
            core_age_ms: 0,
            syncd_age_ms: None,
        }
    }

    fn key(text: &str) -> Key {
        Key::new(text.as_bytes()).unwrap()
    }

    /// Computed by Python's `hmac` from the bytes of the keepalive.
    const SIGNED: &str = "dacab4de92c84df7bdb51af4a20f63bf9a91a730c8d7b1d6aaf6916a19f0d9e8";

    #[test]
    fn the_signature_is_that_of_the_document() {
        let datagram = seal(&keepalive(), &key("secret"));
        let signature = &datagram[keepalive::LEN..];
        let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, SIGNED);
        assert_eq!(open(&datagram, &[key("secret")]), Ok(keepalive()));
    }

    #[test]
    fn each_flipped_bit_and_every_other_length_is_refused() {
        let keys = [key("secret")];
        let datagram = seal(&keepalive(), &keys[0]);
        for bit in 0..LEN * 8 {
            let mut flipped = datagram;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit {
                0..8 => Unsealed::Unreadable(DecodeError::Version(flipped[0])),
                _ => Unsealed::Key,
            };
            assert_eq!(open(&flipped, &keys), Err(expected), "bit {bit}");
        }
        let long = [&datagram[..], &[0; 64]].concat();
        for len in (0..long.len()).filter(|len| *len != LEN) {
            assert!(open(&long[..len], &keys).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn any_of_the_keys_is_taken_and_no_other() {
        let keys = [key("new"), key("old")];
        for (signed, is_taken) in [("new", true), ("old", true), ("ne", false), ("news", false)] {
            let got = open(&seal(&keepalive(), &key(signed)), &keys);
            assert_eq!(got.is_ok(), is_taken, "{signed}");
        }
        assert_eq!(open(&seal(&keepalive(), &keys[0]), &[]), Err(Unsealed::Key));
    }
}
