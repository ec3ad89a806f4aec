//! The tables of `spec/behaviour.md` 9.13 and `spec/iccp.md` 10.1–10.3, each row one case, in words:
//! what happened before, what happens, what is programmed and advertised, and who sees the
//! host then (*L*: the peer alone, *P*: this chassis alone).

use super::unreported::{kernel, server};
use super::*;

/// The cells of each row.
fn cells<const N: usize>(rows: &str) -> impl Iterator<Item = [&str; N]> {
    let rows = rows.lines().filter(|row| !row.trim().is_empty());
    rows.map(|row| {
        let cells: Vec<&str> = row.split(';').map(str::trim).collect();
        cells.try_into().unwrap_or_else(|_| panic!("{row}"))
    })
}

fn happen(f: &mut Fixture, what: &str) {
    let (verb, on) = what.split_once(' ').unwrap_or((what, "bond1"));
    let learned = |configured| Observation::Learned {
        port: port(on),
        configured,
    };
    match verb {
        "learn" => drop(f.observation(learned(false))),
        "configure" => drop(f.observation(learned(true))),
        "age" => drop(f.observation(Observation::Aged)),
        "told" => drop(f.peer(EntryOp::Add, on)),
        "told-static" => drop(f.peer_of_kind(EntryOp::Add, on, MacType::Static)),
        "withdrawn" => drop(f.peer(EntryOp::Delete, on)),
        "down" => drop(f.change(|ports| {
            kernel(ports).insert(port(on), false);
            if ports.mlag.contains(&port(on)) {
                ports.down.insert(port(on), Outage::Fresh);
            }
        })),
        "600s" => drop(f.change(|ports| ports.down.insert(port(on), Outage::Long))),
        "up" => drop(f.change(|ports| {
            kernel(ports).insert(port(on), true);
            ports.down.remove(&port(on));
        })),
        "peer-down" => drop(f.change(|ports| ports.at_peer.insert(port(on), false))),
        "missing" => drop(f.change(|ports| kernel(ports).remove(&port(on)))),
        "kernel-unread" => drop(f.change(|ports| kernel(ports).clear())),
        "link-down" => drop(f.change(|ports| ports.peer_link_down = true)),
        "link-up" => drop(f.change(|ports| ports.peer_link_down = false)),
        "no-link" => drop(f.change(|ports| ports.peer_link = None)),
        "mlag" => drop(f.change(|ports| ports.mlag.insert(port(on)))),
        "no-mlag" => drop(f.change(|ports| ports.mlag.remove(&port(on)))),
        "list" => {
            f.fdb.local_listing_begins(Time::ZERO);
            f.fdb.local_listing_ends();
        }
        "lost" => f.fdb.session_down(true),
        "exchange" => f.fdb.session_up(false),
        _ => panic!("{what}"),
    }
}

fn programmed_into_server(f: &mut Fixture) -> String {
    let ops = f.ops();
    let words = ops.iter().map(|op| match op {
        Op::Fdb { want, .. } => {
            let kind = match want.kind {
                FdbKind::Tracked => "dynamic",
                FdbKind::Static => "static",
                FdbKind::Ageing => "local",
            };
            format!("add {} {kind}", want.port)
        }
        Op::FdbRelease { .. } => "del".into(),
        other => panic!("{other:?}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn advertised_to_peer(f: &mut Fixture) -> String {
    let told = f.advertised().into_iter().map(|(op, on)| match op {
        EntryOp::Add => format!("+{on}"),
        _ => format!("-{on}"),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn age(f: &Fixture) -> &'static str {
    match f.fdb.table.get(&KEY) {
        None => "gone",
        Some(entry) => match (entry.local, entry.remote) {
            (Some(_), Some(_)) => "",
            (Some(_), None) => "P",
            (None, Some(_)) => "L",
            (None, None) => "L,P",
        },
    }
}

/// Row; what was before; what happens; programmed; advertised; who sees the host then.
fn check(rows: &str) {
    for [row, before, event, ops, told, flags] in cells(rows) {
        let mut f = server();
        for what in before.split(", ").filter(|what| !what.is_empty()) {
            happen(&mut f, what);
            drop((f.ops(), f.advertised()));
        }
        happen(&mut f, event);
        let is = (
            programmed_into_server(&mut f),
            advertised_to_peer(&mut f),
            age(&f),
        );
        assert_eq!(is, (ops.into(), told.into(), flags), "{row}");
    }
}

/// `spec/iccp.md` 10.1.
#[test]
fn mac_info_received() {
    check(
        "
         unknown, orphan, no peer link   ; no-link                   ; told swp11        ;                      ;        ; gone
         unknown, orphan                 ;                           ; told swp11        ; add peerlink dynamic ;        ; L
         unknown, orphan, link down      ; link-down                 ; told swp11        ;                      ;        ; L
         unknown, LAG up                 ;                           ; told bond1        ; add bond1 dynamic    ;        ; L
         unknown, the type received      ;                           ; told-static bond1 ; add bond1 static     ;        ; L
         unknown, LAG down               ; down                      ; told bond1        ; add peerlink dynamic ;        ; L
         unknown, LAG and link down      ; down, link-down           ; told bond1        ;                      ;        ; L
         unknown, LAG down, no peer link ; no-link, down             ; told bond1        ;                      ;        ; L
         known, pending                  ; learn bond1, down         ; told bond1        ;                      ; -bond1 ; L
         known, same LAG: clear P        ; learn bond1               ; told bond1        ;                      ;        ;
         known, static                   ; configure swp10           ; told bond1        ;                      ;        ; P
         known, static, same LAG         ; configure bond1           ; told bond1        ;                      ;        ;
         differs, orphan                 ; learn swp10               ; told swp11        ; add peerlink dynamic ; -swp10 ; L
         differs, orphan, there already  ; told swp10                ; told swp11        ;                      ;        ; L
         differs, LAG down               ; learn swp10, down         ; told bond1        ; add peerlink dynamic ; -swp10 ; L
         differs, orphan, no peer link   ; no-link, learn swp10      ; told swp11        ; del                  ; -swp10 ; gone
         differs, LAG down, no peer link ; no-link, told bond2, down ; told bond1        ; del                  ;        ; L
         differs, LAG up                 ; told swp11                ; told bond1        ; add bond1 dynamic    ;        ; L
         differs, LAG up, learned here   ; learn swp10               ; told bond1        ; add bond1 dynamic    ; -swp10 ; L
         same name, orphan               ; learn swp10               ; told swp10        ; add peerlink dynamic ; -swp10 ; L
         del, known, learned here        ; learn bond1, told bond1   ; withdrawn         ;                      ;        ; P
         del, known, the peer's alone    ; told bond1                ; withdrawn         ; del                  ;        ; gone
         del, unknown                    ;                           ; withdrawn         ;                      ;        ; gone
        ",
    );
}

/// `spec/iccp.md` 10.2.
#[test]
fn fdb_operation_received() {
    check(
        "
         add, unknown interface           ; told bond1                    ; learn swp99     ;                      ;        ; L
         add, peer link                   ; told swp11                    ; learn peerlink  ;                      ;        ; L
         new, LAG down on both            ; down, peer-down               ; learn bond1     ; del                  ;        ; gone
         new, LAG down here               ; down                          ; learn bond1     ; add peerlink dynamic ;        ; P
         new, orphan down                 ; down swp10                    ; learn swp10     ;                      ;        ; P
         new, up                          ;                               ; learn bond1     ;                      ; +bond1 ; P
         new, up, orphan                  ;                               ; learn swp10     ;                      ; +swp10 ; P
         new, up, not in EXCHANGE         ; lost                          ; learn bond1     ;                      ;        ; P
         known, LAG down here             ; learn swp10, down             ; learn bond1     ; add peerlink dynamic ; +bond1 ; P
         known, moved from the peer       ; told swp11                    ; learn swp10     ; del                  ; +swp10 ; P
         known, moved from the peer's LAG ; told bond1                    ; learn bond2     ; del                  ; +bond2 ; P
         known, moved here (W-14)         ; learn swp10                   ; learn bond1     ;                      ; +bond1 ; P
         known, other type (W-14)         ; learn bond1                   ; configure bond1 ;                      ; +bond1 ; P
         known, identical, L              ; told bond1                    ; learn bond1     ; del                  ; +bond1 ;
         known, identical                 ; learn bond1                   ; learn bond1     ;                      ;        ; P
         del, unknown                     ;                               ; age             ;                      ;        ; gone
         del, on the peer link, pending   ; learn bond1, down             ; age             ;                      ;        ; P
         del, on the peer link            ; told swp11                    ; age             ; add peerlink dynamic ;        ; L
         del, on the peer link, link down ; told swp11, link-down         ; age             ;                      ;        ; L
         del, nobody else sees it         ; learn bond1                   ; age             ;                      ; -bond1 ; gone
         del, nobody else, programmed     ; told bond1, peer-down         ; age             ; del                  ; -bond1 ; gone
         del, the peer sees it            ; learn bond1, told bond1       ; age             ; add bond1 dynamic    ; -bond1 ; L
         del, the peer sees it, LAG down  ; learn bond1, told bond1, down ; age             ; add peerlink dynamic ;        ; L
        ",
    );
}

/// An interface that the kernel does not have yet: nothing of it is said before it is there.
#[test]
fn an_address_on_an_unknown_interface_is_told_when_the_kernel_has_it() {
    check(
        "
         10.2, unknown interface ;             ; learn swp99 ;  ;        ; P
         10.3, orphan up         ; learn swp99 ; up swp99    ;  ; +swp99 ; P
        ",
    );
}

/// `spec/iccp.md` 10.2, the exception, for MLAG ports: the session may be in EXCHANGE before the kernel
/// listed its interfaces.
#[test]
fn an_address_on_an_mlag_port_is_told_when_the_kernel_has_it_and_it_is_up() {
    check(
        "
         unread         ; kernel-unread, exchange              ; learn bond1 ;                      ;        ; P
         read           ; kernel-unread, exchange, learn bond1 ; up bond1    ;                      ; +bond1 ; P
         read, down     ; kernel-unread, exchange, learn bond1 ; down bond1  ; add peerlink dynamic ;        ; P
         missing        ; missing bond1, learn bond1           ; up bond1    ;                      ; +bond1 ; P
         missing, joins ; no-mlag, missing bond1, learn bond1  ; mlag        ;                      ;        ; P
        ",
    );
}

/// `spec/iccp.md` 10.2: the server reports a move once, and may be faster than the kernel.
#[test]
fn a_move_to_an_unknown_interface_counts_as_soon_as_the_kernel_has_it() {
    check(
        "
         before                ; learn swp10                             ; learn swp99 ;     ;        ; P
         moved here            ; learn swp10, learn swp99                ; up swp99    ;     ; +swp99 ; P
         moved from the peer   ; told swp11, learn swp99                 ; up swp99    ; del ; +swp99 ; P
         other interface       ; learn swp10, learn swp99                ; up swp98    ;     ;        ; P
         moved back            ; learn swp10, learn swp99, learn swp10   ; up swp99    ;     ;        ; P
         to the peer link      ; told swp11, learn swp99, learn peerlink ; up swp99    ;     ;        ; L
         aged                  ; told swp11, learn swp99, age            ; up swp99    ;     ;        ; L
         withdrawn by the peer ; told swp11, learn swp99, withdrawn      ; up swp99    ;     ; +swp99 ; P
         moved at the peer     ; told swp11, learn swp99, told bond1     ; up swp99    ;     ;        ; L
         said again there      ; told swp11, learn swp99, told swp11     ; up swp99    ; del ; +swp99 ; P
         listed anew           ; told swp11, learn swp99, list           ; up swp99    ;     ;        ; L
        ",
    );
    let mut f = server();
    f.learn("swp10").advertised();
    f.observation(Observation::Aged).learn("swp99");
    assert_eq!(
        advertised_to_peer(&mut f),
        "-swp10",
        "an entry that nobody sees is not known"
    );
    happen(&mut f, "up swp99");
    assert_eq!(advertised_to_peer(&mut f), "+swp99");
}

#[test]
fn moves_to_unknown_interfaces_are_remembered_up_to_a_bound() {
    let mut f = server();
    let keys = (0..=u32::try_from(MAX_EARLY).unwrap()).map(|number| {
        let [_, a, b, c] = number.to_be_bytes();
        let mac = Mac([2, 0, 0, a, b, c]);
        FdbKey { mac, ..KEY }
    });
    let observation = |on| Observation::Learned {
        port: port(on),
        configured: false,
    };
    for key in keys {
        f.fdb
            .local_observation(key, observation("swp10"), Time::ZERO);
        f.fdb
            .local_observation(key, observation("swp99"), Time::ZERO);
        f.fdb
            .local_observation(key, observation("swp99"), Time::ZERO);
    }
    assert_eq!(f.fdb.early.len(), MAX_EARLY);
    assert_eq!(f.fdb.ignored(), 2, "both reports of the last one");
    happen(&mut f, "up swp99");
    assert!(f.fdb.early.is_empty());
}

/// `spec/iccp.md` 10.3.
#[test]
fn other_events() {
    check(
        "
         LAG down, P, up there            ; learn bond1                        ; down      ; add peerlink dynamic ;        ; P
         LAG down, P, up there, link down ; link-down, learn bond1             ; down      ; del                  ;        ; P
         LAG down, P, down there          ; learn bond1, peer-down             ; down      ; del                  ; -bond1 ; gone
         LAG down, both                   ; learn bond1, told bond1            ; down      ; add peerlink dynamic ; -bond1 ; L
         LAG down, both, link down        ; link-down, learn bond1, told bond1 ; down      ; del                  ; -bond1 ; L
         LAG down, L                      ; told bond1                         ; down      ; add peerlink dynamic ;        ; L
         LAG down, static                 ; configure bond1, peer-down         ; down      ;                      ; -bond1 ; P
         LAG up, pending                  ; learn bond1, down                  ; up        ; add bond1 local      ;        ; P
         LAG up, L                        ; told bond1, down                   ; up        ; add bond1 dynamic    ;        ; L
         LAG up, L, static                ; told-static bond1, down            ; up        ; add bond1 static     ;        ; L
         LAG up, pending elsewhere        ; no-link, learn bond1, down         ; up        ; del                  ; -bond1 ; gone
         600 s, pending                   ; learn bond1, down                  ; 600s      ; del                  ; -bond1 ; gone
         600 s, static                    ; configure bond1, down              ; 600s      ; del                  ; -bond1 ; P
         down there, L                    ; told bond1                         ; peer-down ; add bond1 local      ; +bond1 ; P
         down there, both                 ; learn bond1, told bond1            ; peer-down ;                      ;        ;
         down there, down here            ; told bond1, down                   ; peer-down ;                      ;        ; L
         orphan up                        ; down swp10, learn swp10            ; up swp10  ;                      ; +swp10 ; P
         peer link up                     ; link-down, told swp11              ; link-up   ; add peerlink dynamic ;        ; L
         peer link down                   ; told swp11                         ; link-down ; del                  ;        ; L
         peer link down, pending          ; learn bond1, down                  ; link-down ; del                  ;        ; P
         EXCHANGE, without L              ; lost, learn bond1                  ; exchange  ;                      ; +bond1 ; P
         EXCHANGE, pending                ; learn bond1, down                  ; exchange  ;                      ;        ; P
         EXCHANGE, L                      ; told bond1                         ; exchange  ;                      ;        ; L
         lost, on the peer link           ; told swp11                         ; lost      ; del                  ;        ; gone
         lost, pending                    ; learn bond1, down                  ; lost      ; del                  ;        ; gone
         lost, both                       ; learn bond1, told bond1            ; lost      ;                      ;        ; P
         lost, L                          ; told bond1                         ; lost      ; add bond1 local      ;        ; P
         lost, P                          ; learn bond1                        ; lost      ;                      ;        ; P
        ",
    );
}

/// `spec/behaviour.md` 9.13: where frames go after all that, and whether the entry ages here:
/// `own` is the dataplane's own, which ages; `none` is nowhere.
#[test]
fn where_frames_go() {
    let rows = "
         X | X | up                     ; learn bond1, told bond1                  ; own bond1
         X | X | up, down there         ; learn bond1, told bond1, peer-down       ; own bond1
         X | - | up                     ; learn bond1                              ; own bond1
         X | - | up, down there         ; learn bond1, peer-down                   ; own bond1
         - | X | up | up                ; told bond1                               ; bond1 Tracked
         - | X | up | up, link down     ; link-down, told bond1                    ; bond1 Tracked
         - | X | up | down              ; told bond1, peer-down                    ; bond1 Ageing
         - | X | up | down, link down   ; link-down, told bond1, peer-down         ; bond1 Ageing
         - | X | down | up | up         ; told bond1, down                         ; peerlink Tracked
         X | X | down | up | up         ; learn bond1, told bond1, down            ; peerlink Tracked
         X | - | down | up | up         ; learn bond1, down                        ; peerlink Tracked
         X | - | down, 600 s            ; learn bond1, down, 600s                  ; gone
         X | X | down | up | down       ; learn bond1, told bond1, down, link-down ; none
         - | X | down | up | down       ; told bond1, down, link-down              ; none
         O | X | down | up | down       ; learn swp10, down, link-down, told bond1 ; none
         X | - | down | down            ; learn bond1, down, peer-down             ; gone
         X | - | down | down, link down ; link-down, learn bond1, down, peer-down  ; gone
         O | -                          ; learn swp10                              ; own swp10
         O | -, link down               ; link-down, learn swp10                   ; own swp10
         - | orphan | link up           ; told swp11                               ; peerlink Tracked
         - | orphan | link down         ; told swp11, link-down                    ; none
         - | orphan | no link           ; no-link, told swp11                      ; gone
         O | orphan, newer              ; learn swp10, told swp11                  ; peerlink Tracked
         O, newer | orphan              ; told swp11, learn swp10                  ; own swp10
         STATIC O | X                   ; configure swp10, told bond1              ; own swp10
         STATIC X | orphan              ; configure bond1, told swp11              ; own bond1
         - | STATIC X                   ; told-static bond1                        ; bond1 Static
         - | STATIC orphan              ; told-static swp11                        ; peerlink Static
         O | STATIC X: no move          ; told-static bond1, learn swp10           ; bond1 Static
         down | - | up                  ; learn bond1, lost                        ; own bond1
         down | X | up                  ; told bond1, lost                         ; bond1 Ageing
         down | orphan                  ; told swp11, lost                         ; gone
         down | X | down                ; told bond1, down, lost                   ; gone
        ";
    for [row, before, want] in cells(rows) {
        let mut f = server();
        for what in before.split(", ") {
            happen(&mut f, what);
            drop((f.ops(), f.advertised()));
        }
        let is = match f.fdb.table.get(&KEY) {
            None => "gone".to_owned(),
            Some(entry) => match (entry.programmed, entry.local) {
                (Some(FdbWant { port, kind }), _) => format!("{port} {kind:?}"),
                (None, Some(local)) => format!("own {}", local.place.port),
                (None, None) => "none".to_owned(),
            },
        };
        assert_eq!(is, want, "{row}");
    }
}
