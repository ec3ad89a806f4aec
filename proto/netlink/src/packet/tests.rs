use proptest::prelude::*;

use super::*;

/// An ARP reply as it follows an Ethernet header: 192.0.2.7 is at 02:00:00:00:00:07.
const ARP: [u8; 28] = [
    0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x02, // Ethernet, IPv4, reply
    0x02, 0, 0, 0, 0, 0x07, 192, 0, 2, 7, // sender
    0x02, 0, 0, 0, 0, 0x01, 192, 0, 2, 1, // target
];

/// A neighbour advertisement: 2001:db8::7 is at 02:00:00:00:00:07.
const ND: [u8; 72] = [
    0x60, 0, 0, 0, 0, 32, 58, 255, // IPv6, 32 bytes of ICMPv6, hop limit 255
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x07, // source
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, // destination
    136, 0, 0xab, 0xcd, // advertisement, checksum
    0x60, 0, 0, 0, // solicited, override
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x07, // target
    2, 1, 0x02, 0, 0, 0, 0, 0x07, // target link-layer address
];

const MAC: Mac = Mac([2, 0, 0, 0, 0, 7]);

fn claim(address: &str, mac: Option<Mac>) -> Option<Claim> {
    let address = address.parse().unwrap();
    Some(Claim { address, mac })
}

/// The packet with these bytes at this place.
fn with<const N: usize>(mut packet: [u8; N], at: usize, bytes: &[u8]) -> [u8; N] {
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    packet
}

/// The advertisement with these options instead, and a length that fits.
fn nd_with_options(options: &[u8]) -> Vec<u8> {
    let mut packet = [&ND[..64], options].concat();
    packet[5] = u8::try_from(24 + options.len()).unwrap();
    packet
}

#[test]
fn a_reply_names_address_and_hardware_address_of_its_sender() {
    assert_eq!(arp_reply(&ARP), claim("192.0.2.7", Some(MAC)));
    // Frames are padded to 60 bytes.
    let padded = [&ARP[..], &[0; 18]].concat();
    assert_eq!(arp_reply(&padded), claim("192.0.2.7", Some(MAC)));
}

/// `spec/behaviour.md` 11.2 names replies; what a request says the kernel hears itself.
#[test]
fn requests_and_other_protocols_are_no_replies() {
    for (at, bytes) in [
        (6, &[0, 1][..]), // request
        (6, &[0, 4]),     // reverse reply
        (0, &[0, 6]),     // IEEE 802 hardware
        (2, &[0x86, 0xdd]),
        (4, &[8]),
        (5, &[16]),
    ] {
        assert_eq!(arp_reply(&with(ARP, at, bytes)), None, "{at}: {bytes:?}");
    }
}

#[test]
fn a_reply_that_names_no_single_host_is_nothing() {
    for (at, bytes) in [
        (8, &[0xff; 6][..]),
        (8, &[0; 6]),
        (8, &[1, 0, 0x5e, 0, 0, 1]),
        (14, &[0; 4]),
        (14, &[0xff; 4]),
        (14, &[224, 0, 0, 1]),
        (14, &[127, 0, 0, 1]),
    ] {
        assert_eq!(arp_reply(&with(ARP, at, bytes)), None, "{at}: {bytes:?}");
    }
}

#[test]
fn every_truncation_of_a_reply_is_nothing() {
    for len in 0..ARP.len() {
        assert_eq!(arp_reply(&ARP[..len]), None, "at {len} bytes");
    }
}

#[test]
fn an_advertisement_names_its_target() {
    assert_eq!(advertisement(&ND), claim("2001:db8::7", Some(MAC)));
    let padded = [&ND[..], &[0xff; 9]].concat();
    assert_eq!(advertisement(&padded), claim("2001:db8::7", Some(MAC)));
}

/// `spec/behaviour.md` 11.2: such an advertisement re-uses the stored MAC.
#[test]
fn an_advertisement_without_the_option_names_no_hardware_address() {
    let packet = nd_with_options(&[]);
    assert_eq!(advertisement(&packet), claim("2001:db8::7", None));
    // A nonce alone changes nothing.
    let packet = nd_with_options(&[14, 1, 1, 2, 3, 4, 5, 6]);
    assert_eq!(advertisement(&packet), claim("2001:db8::7", None));
}

#[test]
fn options_before_the_one_that_counts_are_skipped() {
    let packet = nd_with_options(&[
        14, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // sixteen bytes of something else
        2, 1, 0x02, 0, 0, 0, 0, 0x07,
    ]);
    assert_eq!(advertisement(&packet), claim("2001:db8::7", Some(MAC)));
}

#[test]
fn damaged_options_cost_the_advertisement() {
    for options in [
        &[2, 0, 2, 0, 0, 0, 0, 7][..], // a length of zero
        &[2, 2, 2, 0, 0, 0, 0, 7],     // beyond the end
        &[2, 1, 2],
        &[2],
        &[2, 1, 1, 0, 0, 0, 0, 7], // a group address
        &[2, 2, 2, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0], // fourteen bytes of address
    ] {
        assert_eq!(
            advertisement(&nd_with_options(options)),
            None,
            "{options:?}"
        );
    }
}

#[test]
fn what_is_no_valid_advertisement_is_nothing() {
    for (at, bytes) in [
        (0, &[0x40][..]),
        (6, &[17]),
        (7, &[254]), // came through a router
        (40, &[135]),
        (41, &[1]),
        (48, &[0; 16]),
        (48, &[0xff]),
        (4, &[0, 33]), // more payload than there is
        (4, &[0, 23]), // less than an advertisement takes
    ] {
        assert_eq!(advertisement(&with(ND, at, bytes)), None, "{at}: {bytes:?}");
    }
}

#[test]
fn every_truncation_of_an_advertisement_is_nothing() {
    for len in 0..ND.len() {
        assert_eq!(advertisement(&ND[..len]), None, "at {len} bytes");
    }
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = (arp_reply(&bytes), advertisement(&bytes));
    }

    #[test]
    fn any_options_can_be_read(options in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = advertisement(&nd_with_options(&options));
    }
}

/// Input: a socket that the runtime cannot wait for, as a file is none that can be waited for. Output: it is given back
/// open, with the reason.
#[tokio::test]
async fn a_socket_that_cannot_be_waited_for_is_given_back_open() {
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let number = file.as_raw_fd();
    let (kind, fd) = (Kind::Arp, OwnedFd::from(file));
    let (tap, error) = Listener::new(Tap { kind, fd }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(tap.as_fd().as_raw_fd(), number);
    assert!(nix::fcntl::fcntl(&tap, nix::fcntl::FcntlArg::F_GETFD).is_ok());
}
