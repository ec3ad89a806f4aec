use super::*;
use std::os::fd::AsRawFd as _;

/// A dump in the form that teamd documents, shortened.
const DUMP: &str = r#"REPLY_SUCCESS
{
    "ports": {
        "eth1": {
            "ifinfo": {"dev_addr": "52:54:00:00:00:01", "ifindex": 3, "ifname": "eth1"},
            "link": {"duplex": "full", "speed": 1000, "up": true},
            "link_watches": {"list": {}, "up": true},
            "runner": {
                "actor_lacpdu_info": {"key": 0, "port": 3, "state": 61,
                                      "system": "52:54:00:00:00:01", "system_priority": 65535},
                "aggregator": {"id": 3, "selected": true},
                "partner_lacpdu_info": {"key": 15, "port": 1, "state": 63,
                                        "system": "02:00:5e:00:00:01", "system_priority": 255},
                "selected": true,
                "state": "current"
            }
        },
        "eth2": {
            "link": {"duplex": "full", "speed": 1000, "up": true},
            "link_watches": {"list": {}, "up": true},
            "runner": {
                "actor_lacpdu_info": {"key": 0, "port": 4, "state": 77,
                                      "system": "52:54:00:00:00:01", "system_priority": 65535},
                "aggregator": {"id": 0, "selected": false},
                "partner_lacpdu_info": {"state": 0, "system": "00:00:00:00:00:00"},
                "selected": false,
                "state": "defaulted"
            }
        }
    },
    "runner": {"active": true, "fast_rate": true, "sys_prio": 65535},
    "setup": {"daemonized": true, "kernel_team_mode_name": "loadbalance", "runner_name": "lacp"}
}"#;

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

#[test]
fn members_that_lacp_selected_carry_data() {
    let state = parse(DUMP.as_bytes()).unwrap();
    assert!(state.lacp);
    let system = Mac([2, 0, 0x5e, 0, 0, 1]);
    assert_eq!(state.partner, Some(LacpPartner { system, key: 15 }));
    let want = [(name("eth1"), true), (name("eth2"), false)];
    assert_eq!(state.members, BTreeMap::from(want));
}

#[test]
fn a_member_carries_no_data_before_its_partner_agrees() {
    let text = DUMP.replace(r#""state": 63"#, r#""state": 7"#);
    let state = parse(text.as_bytes()).unwrap();
    assert!(!state.members[&name("eth1")]);
    assert_eq!(state.partner, None);
}

#[test]
fn without_lacp_a_member_carries_data_when_its_watch_says_up() {
    let text = DUMP.replace(
        r#""runner_name": "lacp""#,
        r#""runner_name": "loadbalance""#,
    );
    let state = parse(text.as_bytes()).unwrap();
    assert!(!state.lacp);
    assert!(state.members.values().all(|up| *up));
}

#[test]
fn an_answer_that_is_not_a_dump_is_an_error_and_not_a_panic() {
    for text in [
        "",
        "REPLY_ERROR\nNoSuchMethod\n",
        "REPLY_SUCCESS\n",
        "REPLY_SUCCESS\n{}",
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text:?}");
    }
    for len in 0..DUMP.len() {
        assert!(parse(&DUMP.as_bytes()[..len]).is_err(), "{len} bytes");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn teamd_is_asked_in_records() {
    use nix::sys::socket::*;
    let dir = mclag_test_support::TempDir::new("team");
    let path = dir.path("sock");
    let flags = SockFlag::SOCK_CLOEXEC;
    let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let teamd = std::thread::spawn(move || {
        let fd = accept(listener.as_raw_fd()).unwrap();
        let mut request = [0; 100];
        let len = recv(fd, &mut request, MsgFlags::empty()).unwrap();
        assert_eq!(&request[..len], REQUEST);
        send(fd, DUMP.as_bytes(), MsgFlags::empty()).unwrap();
        nix::unistd::close(fd).unwrap();
    });
    let state = state(path).await.unwrap();
    assert_eq!(state.members.len(), 2);
    teamd.join().unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_team_without_teamd_is_an_error() {
    let error = state("/nonexistent/team0.sock".into()).await.unwrap_err();
    assert!(matches!(error, TeamError::Io { .. }), "{error}");
    assert!(error.to_string().contains("/nonexistent/team0.sock"));
}
