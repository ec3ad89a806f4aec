//! How much memory the tables take when they are as full as they may be (`docs/security.md`).

use std::process::Command;

use mclag_proto::sync::model::{
    DomainWant, FdbKey, FdbKind, FdbWant, NeighbourKey, NeighbourWant, Op, Section,
};
use mclag_proto::{IfName, Mac, Vid};
use syncd::reconcile::{MAX_WANTED_ENTRIES, MAX_WANTED_NEIGHBOURS, Originals, Reconciler};

/// What the document says, in MiB of address space. A table doubles with the old one beside it.
const LIMIT_MIB: usize = 512;
const DOCUMENT: &str = include_str!("../../docs/security.md");
/// Says that a process is the one under the limit.
const INSIDE: &str = "MCLAG_TEST_UNDER_LIMIT";

/// Input: a process whose address space is limited, as many entries and neighbours as are kept, and more. Output: all
/// that are kept are there, the others are left, and nothing is aborted.
#[test]
fn tables_that_are_full_fit_into_what_is_announced() {
    if std::env::var_os(INSIDE).is_some() {
        return fill();
    }
    let said = format!("{LIMIT_MIB} MiB");
    assert!(DOCUMENT.contains(&said), "{said}");
    let name = "tables_that_are_full_fit_into_what_is_announced";
    let script = format!(
        "ulimit -v {}; exec \"$0\" --exact {name} --nocapture",
        LIMIT_MIB << 10
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(text.contains("1 passed"), "{text}");
    assert!(text.contains("VmPeak"), "{text}");
    print!("{text}");
}

fn fill() {
    let name = |text| IfName::new(text).unwrap();
    let mut reconciler = Reconciler::new(Originals::default());
    reconciler.accept(&[
        Op::SnapshotBegin(Section::Ports),
        Op::Domain(DomainWant {
            bridge: name("br0"),
            peer_link: Some(name("peer")),
            peer_link_learning: false,
        }),
        Op::SnapshotEnd(Section::Ports),
    ]);
    let bytes = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    for number in 0..MAX_WANTED_ENTRIES + 1000 {
        let [a, b, c, d] = bytes(number);
        reconciler.accept(&[Op::Fdb {
            key: FdbKey {
                vid: Vid::DEFAULT,
                mac: Mac([2, 0, a, b, c, d]),
            },
            want: FdbWant {
                port: name("bond1"),
                kind: FdbKind::Tracked,
            },
        }]);
    }
    for number in 0..MAX_WANTED_NEIGHBOURS + 1000 {
        let [a, b, c, d] = bytes(number);
        reconciler.accept(&[Op::Neighbour {
            key: NeighbourKey {
                interface: name("br0.10"),
                address: [10 | a, b, c, d].into(),
            },
            want: NeighbourWant {
                mac: Mac([2, 0, a, b, c, d]),
                permanent: false,
            },
        }]);
    }
    let wanted = reconciler.wanted();
    assert_eq!(wanted.entries().count(), MAX_WANTED_ENTRIES);
    assert_eq!(wanted.neighbours().count(), MAX_WANTED_NEIGHBOURS);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let lines = status.lines();
    let sizes = lines.filter(|line| {
        ["VmPeak", "VmHWM"]
            .iter()
            .any(|name| line.starts_with(name))
    });
    for line in sizes {
        println!("{line}");
    }
}
