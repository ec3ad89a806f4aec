//! `mclagsyncd`: settings, sandbox, wiring; nothing else.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};
use mclag_daemon::account::{Identity, Needs, Usual};
use mclag_daemon::lock::Lock;
use mclag_daemon::sandbox::Capability;
use mclag_daemon::signals::{Signal, Signals};
use mclag_daemon::socket::{ListenError, Listener};
use mclag_daemon::{log, notify, process, sandbox};
use syncd::backend::Backend;
use syncd::backend::linux::LinuxBackend;
use syncd::backend::mclagsyncd;
use syncd::backend::record::RecordBackend;
use syncd::legacy::Listeners;
use syncd::migrate::{self, SettingsFile};
use syncd::server::{Access, Options, Server};
use syncd::settings::{self, BackendKind, Mclagsyncd, OnStop, Settings};
use tokio::sync::mpsc;

/// Carries decisions of the MC-LAG control plane out on the dataplane. Decides nothing.
///
/// Listens on a Unix socket for one client (iccpd), keeps the state that it wants, compares it
/// with the dataplane and does the difference. Starting and stopping leaves the dataplane as it
/// is, unless the settings say otherwise.
///
/// Keeps CAP_NET_ADMIN and drops all other capabilities after start. If root starts it, it changes to a
/// user of its own. Logs go to standard error.
#[derive(Parser)]
#[command(
    name = NAME,
    version,
    after_help = "Exit status: 0 stopped by a signal, or the configuration is good; \
                  1 anything failed; 2 wrong arguments; 78 it cannot start with its configuration.\n\n\
                  Signals: SIGTERM and SIGINT stop it; `on-stop` in the configuration decides what \
                  that means for the dataplane. SIGHUP reads the configuration again: who may connect, \
                  what happens without a client and at a stop, and what legacy clients are told \
                  change at once; what needs a restart is logged."
)]
struct Args {
    /// Configuration file; without one, the defaults are used.
    #[arg(short = 'c', long, visible_alias = "config", value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Directory of the socket `mclagsyncd.sock`; overrides `run-dir` of the configuration.
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Dataplane to work on; overrides `backend` of the configuration.
    #[arg(long, value_enum)]
    backend: Option<BackendArg>,
    /// User to change to, by name or number, when root starts it; the group is that of the user unless
    /// it is named. By default mclag-syncd:mclag-dataplane. "root" stays root, with CAP_NET_ADMIN alone.
    #[arg(long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Check the configuration, print what would be used, and exit.
    #[arg(long)]
    check: bool,
}

/// Who it is when root starts it, as in `packaging/sysusers.d`.
const USUAL: Usual = Usual {
    program: NAME,
    user: "mclag-syncd",
    group: "mclag-dataplane",
    other: "mclag",
    writers: "mclag-dataplane",
};

/// What only one of these daemons may have, by the name that its error has for it.
const KERNEL: &str = "the dataplane of the kernel";

#[derive(Clone, Copy, ValueEnum)]
enum BackendArg {
    /// The running kernel.
    Linux,
    /// None: remembers what it is asked, for trying things out.
    Record,
}

/// What this program is called.
const NAME: &str = env!("CARGO_BIN_NAME");

/// What it is called where a foreign program has that name.
const NAME_BESIDE: &str = "mclag-syncd";

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = match Path::new(&called).file_name() {
        Some(file) if file == NAME_BESIDE => NAME_BESIDE,
        _ => NAME,
    };
    let matches = Args::command().name(name).get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = run(name, &args);
    match args.check {
        true => process::exit(name, result),
        false => process::exit_of_daemon(name, result),
    }
}

fn run(name: &'static str, args: &Args) -> anyhow::Result<()> {
    let settings = settings(args)?;
    let old_name = old_name(args);
    if args.check {
        process::print(&settings.to_string())?;
        if let Some(notice) = old_name {
            log::write_line(&notice);
        }
        return Ok(());
    }
    let identity = Identity::find(args.user.as_deref(), &USUAL)?;
    // Before anything is touched that another one may use. Two at one kernel would undo what the other does.
    let _lock = match settings.backend {
        BackendKind::Linux => {
            let lock = Lock::take(NAME, KERNEL.to_owned());
            Some(lock.map_err(|error| error.of(name))?)
        }
        BackendKind::Record => None,
    };
    // It gives its sockets to these groups, also when it makes them again.
    let Access {
        group,
        status_group,
        ..
    } = settings.access;
    let identity = identity.with_group(group).with_group(status_group);
    // User and capabilities belong to threads, and there is only one yet.
    let needs = needs(args, &settings);
    identity.take_on(&needs)?;
    let started = Started {
        name,
        identity,
        needs,
        old_name,
    };
    process::block_on(serve(args, settings, started)).context("cannot start the runtime")?
}

/// What was found out before anything is served.
struct Started {
    name: &'static str,
    identity: Identity,
    needs: Needs,
    old_name: Option<String>,
}

/// What it reads and writes as the user that it changes to.
fn needs(args: &Args, settings: &Settings) -> Needs {
    Needs {
        sockets: vec![settings.socket(), settings.control()],
        state: settings.state_files(),
        read: file(args).into_iter().map(|file| file.path).collect(),
        ..Needs::default()
    }
}

fn settings(args: &Args) -> anyhow::Result<Settings> {
    let mut settings = match file(args) {
        Some(file) => Settings::read(&file.path)?,
        None => Settings::parse(Path::new("no settings file"), "")?,
    };
    if let Some(dir) = &args.run_dir {
        settings.run_dir = std::path::absolute(dir).context("cannot use --run-dir")?;
    }
    match args.backend {
        Some(BackendArg::Linux) => settings.backend = BackendKind::Linux,
        Some(BackendArg::Record) => settings.backend = BackendKind::Record,
        None => {}
    }
    Ok(settings)
}

/// The settings file, if there is one.
fn file(args: &Args) -> Option<SettingsFile> {
    match &args.settings {
        Some(path) => Some(SettingsFile {
            path: path.clone(),
            better: None,
        }),
        None => SettingsFile::find(Path::new(settings::DEFAULT_DIRECTORY)),
    }
}

/// What is said of a settings file with the name of earlier versions.
fn old_name(args: &Args) -> Option<String> {
    let SettingsFile { path, better } = file(args)?;
    let (path, better) = (path.display(), better?);
    let better = better.display();
    Some(format!(
        "configuration is read from {path}, the name of earlier versions: rename it to {better}"
    ))
}

async fn serve(args: &Args, settings: Settings, started: Started) -> anyhow::Result<()> {
    let Started {
        name,
        identity,
        needs,
        old_name,
    } = started;
    // Before anybody can know that we run: what is said until the server listens is not lost.
    let signals = (
        Signals::catch(&[Signal::Stop])?,
        Signals::catch(&[Signal::Reload])?,
    );
    let mut notices = Vec::from_iter(migrate::take_over(&settings.run_dir)?);
    // The socket first: giving it to its group may need what is given up next.
    let (access, failed) = (&settings.access, |error: ListenError| error.of(name));
    let listener = access.listen(&settings.socket()).map_err(failed)?;
    let control = access.listen_for_operators(&settings.control());
    let control = control.map_err(failed)?;
    // There is a directory for them now.
    notices.extend(migrate::link_old_names(&settings.run_dir));
    let legacy = Listeners::listen(&settings.legacy.listen)?;
    let listeners = (listener, control, legacy);
    let needed = match settings.backend {
        BackendKind::Linux => Some(Capability::CAP_NET_ADMIN),
        BackendKind::Record => None,
    };
    sandbox::enter(needed).context("cannot give up privileges")?;
    let confined = sandbox::confine_writes(&needs.directories());
    let filtered = sandbox::refuse_calls(&[]);
    // It starts a thread, and capabilities belong to threads.
    let filter = log::parse_filter(&settings.log_filter).context("cannot log")?;
    let _log = log::init(filter).context("cannot log")?;
    identity.log();
    sandbox::log_filter(filtered);
    sandbox::log_writes(confined);
    let notices = notices.into_iter().map(|notice| notice.to_string());
    for notice in notices.chain(old_name) {
        tracing::warn!("{notice}");
    }
    match settings.backend {
        BackendKind::Linux => {
            let backend = LinuxBackend::open().context("cannot talk to the kernel")?;
            serve_with(backend, args, &settings, signals, listeners).await
        }
        BackendKind::Record => {
            let backend = RecordBackend::new();
            let recorder = backend.recorder();
            settings
                .record_ports
                .iter()
                .for_each(|port| recorder.add_port(*port));
            serve_with(backend, args, &settings, signals, listeners).await
        }
    }
}

async fn serve_with(
    backend: impl Backend,
    args: &Args,
    settings: &Settings,
    (mut stops, reloads_asked): (Signals, Signals),
    (listener, control, legacy): (Listener, Listener, Listeners),
) -> anyhow::Result<()> {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        backend = backend.name(),
        socket = %settings.socket().display(),
        "starting"
    );
    let server = Server::start(backend, options(settings)).await?;
    let stop = async {
        stops.next().await;
    };
    for address in legacy.addresses() {
        tracing::info!(%address, "listening for legacy clients");
    }
    let (reload, reloads) = mpsc::channel(1);
    let server = server.with_control(control).with_legacy(legacy);
    let mut server = server.with_reloads(reloads);
    if let Some(mclagsyncd) = &settings.mclagsyncd {
        let client = mclagsyncd::Client::new(mclagsyncd.places());
        let client = reading_config_db(remembering(client, settings), mclagsyncd);
        server = server.with_mclagsyncd(client);
    }
    notify::ready();
    tokio::select! {
        ended = server.run(listener, stop) => ended?,
        never = notify::watchdog() => match never {},
        never = reload_settings(args, settings, reloads_asked, reload) => match never {},
    }
    tracing::info!("stopped");
    Ok(())
}

/// The client of a foreign server. Without a memory it works all the same, until it is started again.
fn remembering(client: mclagsyncd::Client, settings: &Settings) -> mclagsyncd::Client {
    match mclagsyncd::Memory::open(settings.pair()) {
        Ok(memory) => client.remembering(memory),
        Err(error) => {
            let error = process::chain(&error);
            tracing::warn!(error, "the pair will not be remembered across a restart");
            client
        }
    }
}

/// The client of a server that may be SONiC's on this host, whose configuration is in Redis here, too.
#[cfg(feature = "sonic")]
fn reading_config_db(client: mclagsyncd::Client, server: &Mclagsyncd) -> mclagsyncd::Client {
    use syncd::sonic::{config_db, databases};
    if !server.may_be_sonic_here() {
        return client;
    }
    client.with_config_db(mclagsyncd::ConfigDb::new(|| async {
        let read = config_db::read(Path::new(databases::FILE)).await;
        read.map_err(|error| process::chain(&error))
    }))
}

/// Built without the feature that reads SONiC's configuration.
#[cfg(not(feature = "sonic"))]
fn reading_config_db(client: mclagsyncd::Client, _: &Mclagsyncd) -> mclagsyncd::Client {
    client
}

fn options(settings: &Settings) -> Options {
    Options {
        access: settings.access.clone(),
        restore_after: settings.restore_after,
        restore_on_stop: settings.on_stop == OnStop::Restore,
        originals: Some(settings.originals()),
        bridge: settings.bridge,
        routed: settings.routed.clone(),
        legacy: settings.legacy.clone(),
    }
}

/// Read the settings again whenever somebody says so.
async fn reload_settings(
    args: &Args,
    started: &Settings,
    mut asked: Signals,
    reload: mpsc::Sender<Options>,
) -> Infallible {
    loop {
        asked.next().await;
        match settings(args) {
            Ok(now) => {
                if let Some(notice) = old_name(args) {
                    tracing::warn!("{notice}");
                }
                let later = now.for_next_start(started);
                if later.is_empty() {
                    tracing::info!("configuration read again");
                } else {
                    let restart = later.join(", ");
                    tracing::warn!(
                        restart,
                        "configuration read again; some changes need a restart"
                    );
                }
                // The server ends before its channel does.
                let _ = reload.send(options(&now)).await;
            }
            Err(error) => tracing::error!("keeping the previous settings: {error:#}"),
        }
    }
}
