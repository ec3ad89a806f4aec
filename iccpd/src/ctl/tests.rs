use super::client::{Client, ClientError};
use super::*;
use mclag_proto::ctl::{Interface, MAX_REQUEST, MacCursor, MacLine, PortStatus};
use mclag_proto::{IfName, Mac, Vid};
use mclag_test_support::TempDir;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// Serve with `answer` until `done`.
async fn serving<T>(
    server: &mut Server<Request, Reply>,
    answer: impl Fn(Request) -> Reply,
    done: impl Future<Output = T>,
) -> T {
    let mut done = std::pin::pin!(done);
    let both = async {
        loop {
            tokio::select! {
                result = done.as_mut() => return result,
                question = server.next() => {
                    let _ = question.answer.send(answer(question.request));
                }
            }
        }
    };
    timeout(PATIENCE, both).await.expect("is done")
}

fn nothing(_: Request) -> Reply {
    Reply::Interfaces { interfaces: vec![] }
}

/// Send a line, read a line.
async fn ask(stream: &mut UnixStream, request: &[u8]) -> Option<Reply> {
    stream.write_all(request).await.unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    serde_json::from_str(&line).ok()
}

fn mac_line(last: u8) -> MacLine {
    MacLine {
        vid: Vid::DEFAULT,
        mac: Mac([2, 0, 0, 0, 0, last]),
        port: None,
        local: None,
        remote: None,
        configured: false,
        stale: false,
    }
}

/// Pages of ten addresses out of 25.
fn macs(request: Request) -> Reply {
    let Request::Macs { after } = request else {
        return Reply::Error {
            message: "not asked for".into(),
        };
    };
    let start = after.map_or(0, |cursor| cursor.mac.0[5] + 1);
    let end = (start + 10).min(25);
    let last = mac_line(end - 1);
    Reply::Macs {
        macs: (start..end).map(mac_line).collect(),
        next: (end < 25).then_some(MacCursor {
            vid: last.vid,
            mac: last.mac,
        }),
    }
}

#[tokio::test(flavor = "current_thread")]
async fn questions_are_answered_one_after_the_other() {
    let dir = TempDir::new("ctl-answers");
    let path = dir.path("sock");
    let mut server = listen(&path, 0o600).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let client = async {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        for _ in 0..3 {
            let reply = ask(&mut stream, b"{\"request\":\"interfaces\"}\n").await;
            assert_eq!(reply, Some(nothing(Request::Status)));
        }
    };
    serving(&mut server, nothing, client).await;
    drop(server);
    assert!(!path.exists(), "the socket is removed");
}

#[tokio::test(flavor = "current_thread")]
async fn pages_are_put_together_and_filtered() {
    let dir = TempDir::new("ctl-pages");
    let path = dir.path("sock");
    let mut server = listen(&path, 0o600).unwrap();
    let asked = path.clone();
    let client = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&asked).unwrap();
        let all = client.macs(|_| true).unwrap();
        let odd = client.macs(|line| line.mac.0[5] % 2 == 1).unwrap();
        let refused = client.status().unwrap_err();
        (all, odd, refused)
    });
    let (all, odd, refused) = serving(&mut server, macs, client).await.unwrap();
    assert_eq!(all, (0..25).map(mac_line).collect::<Vec<_>>());
    assert_eq!(odd.len(), 12);
    assert_eq!(refused.to_string(), "iccpd answers: not asked for");
}

#[tokio::test(flavor = "current_thread")]
async fn an_unreadable_request_is_answered_with_why() {
    let dir = TempDir::new("ctl-unreadable");
    let path = dir.path("sock");
    let mut server = listen(&path, 0o600).unwrap();
    let client = async {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let reply = ask(&mut stream, b"{\"request\":\"selfdestruct\"}\n").await;
        let Some(Reply::Error { message }) = reply else {
            panic!("{reply:?}");
        };
        let want = "cannot read the request: unknown variant `selfdestruct`";
        assert!(message.starts_with(want), "{message}");
        // The connection is still good.
        let reply = ask(&mut stream, b"{\"request\":\"interfaces\"}\n").await;
        assert_eq!(reply, Some(nothing(Request::Status)));
    };
    serving(&mut server, nothing, client).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_request_that_does_not_end_is_cut_off() {
    let dir = TempDir::new("ctl-endless");
    let path = dir.path("sock");
    let mut server = listen(&path, 0o600).unwrap();
    let client = async {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let reply = ask(&mut stream, &[b'x'; MAX_REQUEST]).await;
        let message = "a request is one line of at most 4096 bytes".into();
        assert_eq!(reply, Some(Reply::Error { message }));
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    };
    serving(&mut server, nothing, client).await;
}

const QUESTION: &[u8] = b"{\"request\":\"interfaces\"}\n";

/// Input: more clients than there are places, which say nothing, a part of a question, or no more. Output: each that
/// asks is answered; the ones that were silent for longest are closed.
#[tokio::test(flavor = "current_thread")]
async fn clients_that_say_nothing_lock_nobody_out() {
    let dir = TempDir::new("ctl-many");
    let path = dir.path("sock");
    let mut server = listen(&path, 0o600).unwrap();
    let clients = async {
        let mut silent = Vec::new();
        for number in 0..3 * MAX_CLIENTS {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            match number % 3 {
                0 => {}
                1 => stream.write_all(b"{\"request").await.unwrap(),
                _ => assert!(ask(&mut stream, QUESTION).await.is_some()),
            }
            silent.push(stream);
            let mut operator = UnixStream::connect(&path).await.unwrap();
            let reply = ask(&mut operator, QUESTION).await;
            assert_eq!(reply, Some(nothing(Request::Status)), "client {number}");
        }
        let mut first = silent.swap_remove(0);
        assert_eq!(first.read(&mut [0; 1]).await.unwrap(), 0);
        // The last one has its place still.
        let mut last = silent.pop().unwrap();
        assert!(ask(&mut last, QUESTION).await.is_some());
    };
    serving(&mut server, nothing, clients).await;
}

/// Input: as many questions as there are places, which are not answered. Output: one more client is told so, and none
/// of the others loses its place.
#[tokio::test(flavor = "current_thread")]
async fn one_client_too_many_is_told_so() {
    let dir = TempDir::new("ctl-busy");
    let path = dir.path("sock");
    let mut server = listen(&path, 0o600).unwrap();
    let mut clients = Vec::new();
    let mut questions = Vec::new();
    for _ in 0..MAX_CLIENTS {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(QUESTION).await.unwrap();
        clients.push(stream);
        questions.push(timeout(PATIENCE, server.next()).await.unwrap());
    }
    let extra = async {
        let mut extra = UnixStream::connect(&path).await.unwrap();
        ask(&mut extra, b"").await
    };
    let message = "too many clients at a time".into();
    let reply = serving(&mut server, nothing, extra).await;
    assert_eq!(reply, Some(Reply::Error { message }));
    for question in questions {
        question.answer.send(nothing(question.request)).unwrap();
    }
    let answers = async {
        for client in &mut clients {
            assert!(ask(client, b"").await.is_some());
        }
    };
    serving(&mut server, nothing, answers).await;
}

/// Input: a client that asks for much and reads nothing. Output: others are served meanwhile.
#[tokio::test(flavor = "current_thread")]
async fn a_client_that_does_not_read_holds_nobody_up() {
    let dir = TempDir::new("ctl-slow");
    let path = dir.path("sock");
    let mut server = listen(&path, 0o600).unwrap();
    let vids: Vec<Vid> = (1..=4094).filter_map(Vid::new).collect();
    let port = Interface {
        name: IfName::new("bond1").unwrap(),
        peer_link: false,
        id: None,
        name_at_peer: None,
        local: PortStatus::Up,
        remote: None,
        remembered_s: None,
        dual: false,
        isolated: None,
        held: false,
        bypass: false,
        partner: None,
        partner_key: None,
        remote_partner: None,
        members: vec![],
        vids,
        conflicts: vec![],
    };
    let big = move |_| Reply::Interfaces {
        interfaces: vec![port.clone(); 100],
    };
    let clients = async {
        let mut slow = UnixStream::connect(&path).await.unwrap();
        for _ in 0..10 {
            slow.write_all(b"{\"request\":\"interfaces\"}\n")
                .await
                .unwrap();
        }
        for _ in 0..3 {
            let mut quick = UnixStream::connect(&path).await.unwrap();
            assert!(
                ask(&mut quick, b"{\"request\":\"interfaces\"}\n")
                    .await
                    .is_some()
            );
        }
    };
    serving(&mut server, big, clients).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_socket_in_use_is_not_taken_and_a_left_over_one_is() {
    let dir = TempDir::new("ctl-inuse");
    let path = dir.path("sock");
    let server = listen(&path, 0o600).unwrap();
    let error = listen(&path, 0o600).unwrap_err();
    let pid = std::process::id();
    let want = format!("another iccpd (pid {pid}) listens on {}", path.display());
    assert_eq!(error.to_string(), want);
    drop(server);

    // As a killed daemon leaves it.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(listen(&path, 0o600).unwrap());

    std::fs::write(&path, "precious").unwrap();
    let error = listen(&path, 0o600).unwrap_err();
    assert!(matches!(error, ListenError::NotASocket(_)), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_daemon_that_is_not_running_is_said_to_be_so() {
    let error = Client::connect(Path::new("/nonexistent/iccpd.sock")).unwrap_err();
    assert!(matches!(error, ClientError::NotRunning(_)));
    assert_eq!(
        error.to_string(),
        "iccpd is not running: no process is listening on /nonexistent/iccpd.sock\n\
         Start it with `systemctl start iccpd`, or name its socket with --socket."
    );
}

/// With SONiC, `mclagsyncd` is another program.
#[test]
fn where_mclagsyncd_is_another_program_ours_is_named_by_its_other_name() {
    let error = Client::connect_to_syncd(Path::new("/nonexistent/ctl.sock")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "mclagsyncd is not running: no process is listening on /nonexistent/ctl.sock\n\
         Start it with `systemctl start mclagsyncd`, with `systemctl start mclag-syncd` where mclagsyncd is a \
         program of SONiC or linux-mclag, or name its socket with --syncd-socket."
    );
}
