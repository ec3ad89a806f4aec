//! The consoles of a pair that stays: what runs a client's programs.

use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use crate::console::agent::{self, Place};
use crate::console::{Frame, Open, Size, Terminal, What};
use crate::netns::NetNs;
use crate::scenario::{Ctx, Scenario};
use crate::wait::{SOON, eventually};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "console_runs_programs_and_outlives_its_clients",
    about: "Run programs in a namespace over one console: with pipes, with a terminal, in a place that is not there, \
            and one that leaves a child with its terminal behind while the client breaks off.\n\
            Output, input, exit status and size of the terminal are the program's. The next client is served.",
    limit: Scenario::LIMIT,
    run: console_runs_programs_and_outlives_its_clients,
}];

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn console_runs_programs_and_outlives_its_clients(ctx: &mut Ctx) -> Result<()> {
    let ns = NetNs::create(&format!("{}host", ctx.prefix()))?;
    let profile = ctx.scratch().join("profile");
    std::fs::write(&profile, "").context("cannot write a profile")?;
    let place = Place {
        name: "host".into(),
        namespace: ns.name().into(),
        programs: None,
        profile,
    };
    let (mut client, console) = UnixStream::pair().context("cannot make a console")?;
    client
        .set_read_timeout(Some(SOON))
        .context("cannot set a limit")?;
    let (end, ended) = mpsc::sync_channel(1);
    let agent = thread::spawn(move || {
        let writer = Arc::new(Mutex::new(console.try_clone()?));
        agent::attend(&mut &console, &writer, &[place], &end)
    });

    let echo = "cat; echo oops >&2; exit 7";
    open(&mut client, "host", &["sh", "-c", echo], None)?;
    Frame::Data(b"hello".to_vec()).write(&mut client)?;
    Frame::End.write(&mut client)?;
    ensure!(read_all(&mut client)? == ("hello".into(), "oops\n".into(), 7));

    let interfaces = "ls -d /sys/class/net/*/";
    open(&mut client, "host", &["sh", "-c", interfaces], None)?;
    let (output, _, _) = read_all(&mut client)?;
    ensure!(output == "/sys/class/net/lo/\n", "{output}");

    open(&mut client, "nowhere", &["true"], None)?;
    let refused = Frame::read(&mut client)?;
    ensure!(refused == Some(Frame::Refused("no place nowhere; there are host".into())));

    let size = |rows, columns| Size { rows, columns };
    let resized = "stty size; read line; stty size";
    open(
        &mut client,
        "host",
        &["sh", "-c", resized],
        Some(size(33, 99)),
    )?;
    read_until(&mut client, "33 99\r\n")?;
    Frame::Resize(size(20, 40)).write(&mut client)?;
    Frame::Data(b"\n".to_vec()).write(&mut client)?;
    let (output, _, status) = read_all(&mut client)?;
    ensure!(output.ends_with("20 40\r\n") && status == 0, "{output}");

    // A client whose place is taken by another one before the console saw it go, with a child that ignores the end of
    // its terminal.
    let stubborn = "trap '' HUP; setsid sleep 1000 & echo started; sleep 1000";
    open(
        &mut client,
        "host",
        &["sh", "-c", stubborn],
        Some(size(24, 80)),
    )?;
    read_until(&mut client, "started\r\n")?;
    open(&mut client, "host", &["echo", "next"], None)?;
    ensure!(read_all(&mut client)? == ("next\n".into(), String::new(), 0));

    let down = Open {
        token: TOKEN.into(),
        what: What::Down,
    };
    Frame::Open(down).write(&mut client)?;
    read_token(&mut client)?;
    ensure!(Frame::read(&mut client)? == Some(Frame::Exited(0)));
    eventually(
        "the agent passes the end on",
        SOON,
        || Ok(ended.try_recv()?),
    )?;
    drop(client);
    match agent.join() {
        Ok(outcome) => outcome,
        Err(_) => bail!("the agent has panicked"),
    }
}

fn open(client: &mut UnixStream, place: &str, command: &[&str], size: Option<Size>) -> Result<()> {
    let terminal = size.map(|size| Terminal {
        kind: "dumb".into(),
        size,
    });
    let open = Open {
        token: TOKEN.into(),
        what: What::Run {
            place: place.into(),
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            terminal,
        },
    };
    Frame::Open(open).write(client)?;
    read_token(client)
}

/// Skip what may be left over of a client before.
fn read_token(client: &mut UnixStream) -> Result<()> {
    use std::io::Read as _;
    let mut read = Vec::new();
    while !read.ends_with(TOKEN.as_bytes()) {
        let mut byte = [0];
        client.read_exact(&mut byte).context("no answer")?;
        read.extend(byte);
    }
    Ok(())
}

/// Read output that ends so.
fn read_until(client: &mut UnixStream, wanted: &str) -> Result<()> {
    let mut output = Vec::new();
    while !output.ends_with(wanted.as_bytes()) {
        match Frame::read(client)? {
            Some(Frame::Data(bytes)) => output.extend(bytes),
            other => bail!("{other:?} after {}", String::from_utf8_lossy(&output)),
        }
    }
    Ok(())
}

/// Output, error output and exit status of the program.
fn read_all(client: &mut UnixStream) -> Result<(String, String, u8)> {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    loop {
        match Frame::read(client)? {
            Some(Frame::Data(bytes)) => output.extend(bytes),
            Some(Frame::Errors(bytes)) => errors.extend(bytes),
            Some(Frame::Exited(status)) => {
                return Ok((
                    String::from_utf8(output)?,
                    String::from_utf8(errors)?,
                    status,
                ));
            }
            other => bail!("unexpected: {other:?}"),
        }
    }
}
