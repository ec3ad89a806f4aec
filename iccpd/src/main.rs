//! `iccpd`: settings, sandbox, wiring; nothing else.

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use iccpd::claim::Claim;
use iccpd::dataplane::Dataplane;
use iccpd::driver::{self, Driver, Pair, PairBridge, PeerTransport, Reread, Signal};
use iccpd::interfaces::Interfaces;
use iccpd::keepalive::Keepalives;
use iccpd::kernel::{Taps, Watch};
use iccpd::peer::{Protection, Signing};
use iccpd::record::Recorder;
use iccpd::settings::key::{self, KeyError};
use iccpd::settings::{self, Bridge, Chassis, Loaded, Settings};
use iccpd::{ctl, log, mclagdctl, node, system};
use mclag_daemon::account::{Identity, Needs, Usual};
use mclag_daemon::log::{parse_filter, write_line};
use mclag_daemon::settings::SettingsError;
use mclag_daemon::signals::Signals;
use mclag_daemon::{notify, process, sandbox};
use mclag_netlink::Kernel;
use mclag_proto::Mac;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::time::Instant;

/// The MC-LAG control plane: talks to the other chassis, follows the kernel, decides.
///
/// Drops all capabilities after start; if it is started with CAP_NET_RAW, it observes ARP replies and
/// neighbour advertisements, too. If root starts it, it changes to a user of its own. Logs go to
/// standard error.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit status: 0 stopped by a signal, or the configuration is good; \
                  1 anything failed; 2 wrong arguments; 78 it cannot start with its configuration.\n\n\
                  Signals: SIGTERM and SIGINT stop it; what that means for the dataplane \
                  is decided by `on-stop` in the configuration. SIGHUP has it read the configuration \
                  again and take on what it says of the pair. SIGUSR1 announces a warm reboot to \
                  the peer and stops it, and leaves everything as it is. SIGUSR2 begins and ends a \
                  recording in the file that `[record]` names."
)]
struct Args {
    /// Configuration file.
    #[arg(short = 'c', long, visible_alias = "config", value_name = "FILE",
          default_value = settings::DEFAULT_FILE)]
    settings: PathBuf,
    /// User to change to, by name or number, when root starts it; the group is that of the user unless
    /// it is named. By default mclag-iccpd:mclag. "root" stays root, without capabilities.
    #[arg(long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Check the configuration, print what would be used, and exit: whether it does what it says, as
    /// `mclagctl config check` does ("file", the default), or only whether it can be used ("use").
    #[arg(long, value_name = "WHAT", value_enum, num_args = 0..=1, require_equals = true,
          default_missing_value = "file", hide_possible_values = true)]
    check: Option<Check>,
}

/// What a check is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Check {
    /// The file, which has to do what it says.
    File,
    /// Whether a daemon that reads it now would take it on.
    Use,
}

/// Who it is when root starts it, as in `packaging/sysusers.d`.
const USUAL: Usual = Usual {
    program: "iccpd",
    user: "mclag-iccpd",
    group: "mclag",
    other: "mclag-dataplane",
    writers: "mclag-dataplane",
};

fn main() -> ExitCode {
    let args = Args::parse();
    let result = run(&args);
    match args.check {
        Some(_) => process::exit("iccpd", result),
        None => process::exit_of_daemon("iccpd", result),
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let loaded = settings::load(&args.settings)?;
    let Loaded { settings, .. } = &loaded;
    let (chassis, domain) = (&settings.chassis, settings.domain.as_ref());
    let interfaces = Interfaces::when_asked();
    let bridge = chassis.find_bridge(domain, &interfaces);
    let node = node::mac(chassis, domain, bridge.name, &interfaces);
    if let Some(check) = args.check {
        for warning in loaded.warnings() {
            write_line(&warning.located(&args.settings).to_string());
        }
        let verdict = loaded.verdict(&args.settings);
        let (found, system) = system::check(&loaded.settings, bridge, &args.settings);
        let mut used = loaded.settings;
        used.chassis.bridge = Some(bridge.name);
        used.chassis.node_mac = Some(node.mac);
        let (bridge, node) = (bridge.from, node.from);
        process::print(&format!(
            "# bridge is from {bridge}.\n# node-mac is from {node}.\n{used}\n"
        ))?;
        for finding in found {
            process::print(&format!("# {finding}\n"))?;
        }
        if check == Check::File {
            verdict?;
        }
        check_key(&args.settings, &used.chassis)?;
        return match check {
            Check::File => Ok(system?),
            // What the system has otherwise, a start only logs.
            Check::Use => Ok(()),
        };
    }
    let identity = Identity::find(args.user.as_deref(), &USUAL)?;
    // Before anything is touched that another one may use.
    let mut claim = Claim::default();
    if let Some(domain) = &settings.domain {
        let config = settings.chassis.config(domain, bridge.name, node.mac);
        claim.change(
            &config,
            peer_transport(&settings.chassis, Signing::Unsigned),
        )?;
    }
    // The last thing that takes a privilege; without it there is less to be seen.
    let taps = settings.chassis.neighbours.then(Taps::open);
    // Before the runtime: user and capabilities belong to threads, and there is only one yet.
    let needs = needs(&args.settings, settings);
    identity.take_on(&needs)?;
    sandbox::enter(None).context("cannot give up privileges")?;
    let confined = sandbox::confine_writes(&needs.directories());
    let sockets = taps.as_ref().map(Taps::sockets).unwrap_or_default();
    let filtered = sandbox::refuse_calls(&sockets);
    let filter = parse_filter(&settings.log_filter).context("cannot log")?;
    let (control, _until_the_last_line) = log::Control::start(filter).context("cannot log")?;
    for warning in loaded.warnings() {
        let (file, line, what) = (args.settings.display(), warning.line, &warning.message);
        tracing::warn!(%file, line, what, "configuration");
    }
    identity.log();
    sandbox::log_filter(filtered);
    sandbox::log_writes(confined);
    let domain = settings.domain.as_ref();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), domain = domain.map(|d| d.id.get()),
        local = domain.map(|d| tracing::field::display(d.local)),
        peer = domain.map(|d| tracing::field::display(d.peer)),
        bridge = %bridge.name, bridge_from = %bridge.from,
        node_mac = %node.mac, node_mac_from = %node.from, "starting"
    );
    let (file, settings) = (&args.settings, loaded.settings);
    let started = Started {
        bridge,
        node_mac: node.mac,
        log: control,
        claim,
        taps,
    };
    process::block_on(serve(file, settings, started)).context("cannot start the runtime")?
}

/// What it reads and writes as the user that it changes to. That user owns the key, which it reads as that user alone.
fn needs(file: &Path, settings: &Settings) -> Needs {
    let mclagdctl = settings.mclagdctl.iter().map(|socket| &socket.path);
    let record = settings.record.as_ref().map(|place| place.file.clone());
    Needs {
        sockets: mclagdctl
            .chain([&settings.control_socket])
            .cloned()
            .collect(),
        written: record.into_iter().collect(),
        read: vec![file.to_owned()],
        ..Needs::default()
    }
}

/// What was found out and taken before anything is served.
struct Started {
    bridge: Bridge,
    node_mac: Mac,
    log: log::Control,
    claim: Claim,
    taps: Option<Taps>,
}

fn peer_transport(chassis: &Chassis, signing: Signing) -> PeerTransport {
    PeerTransport {
        port: chassis.tcp_port,
        device: chassis.bind_device,
        dialect: chassis.dialect.fixed(),
        protection: Protection {
            full_ttl: chassis.ttl_security,
            signing,
        },
    }
}

async fn serve(file: &Path, settings: Settings, started: Started) -> anyhow::Result<()> {
    let Started {
        bridge,
        node_mac,
        log,
        claim,
        taps,
    } = started;
    let mut signals = Signals::catch(&[
        Signal::Stop,
        Signal::Reload,
        Signal::WarmReboot,
        Signal::Record,
    ])?;
    let chassis = &settings.chassis;
    let signing = key::signing(&chassis.keys).map_err(|error| unusable_key(file, &error))?;
    let peer_transport = peer_transport(chassis, signing);
    let domain = settings.domain.as_ref();
    let config = domain.map(|domain| chassis.config(domain, bridge.name, node_mac));
    let names = config.as_ref().map(driver::watched).unwrap_or_default();
    let mut kernel = Watch::open(names).context("cannot follow the kernel's interfaces")?;
    let bypass = config.as_ref().map(|config| config.bypass.clone());
    kernel.bypass(bypass.unwrap_or_default());
    if let Some(taps) = taps {
        kernel.observe(taps);
    }
    warn_of_mistakes(file, &settings, bridge).await;
    let origin = Instant::now();
    let driver = Driver {
        dataplane: Dataplane::new(&settings.syncd, chassis.clone(), bridge.name, node_mac),
        kernel,
        ctl: ctl::listen(&settings.control_socket, settings.control_mode)?,
        mclagdctl: mclagdctl::server::Server::listen(&settings.mclagdctl),
        counted: Default::default(),
        log,
        claim,
        is_fixed: config.is_some(),
        pair: config.map(|config| Pair::new(config, peer_transport)),
        peer_transport,
        keepalives: Keepalives::new(origin.into_std()),
        paths: chassis.paths.clone(),
        bridge: PairBridge::new(bridge),
        reread: {
            let file = file.to_owned();
            Box::new(move || reread(&file, node_mac))
        },
        origin,
        on_stop: settings.on_stop,
        notices: Default::default(),
        taken: None,
        kept: BTreeMap::new(),
        later: None,
        overdue: 0,
        recorder: Recorder::new(settings.record),
    };
    notify::ready();
    tokio::select! {
        ended = driver.run(async || signals.next().await) => ended?,
        never = notify::watchdog() => match never {},
    }
    tracing::info!("stopped");
    Ok(())
}

fn unusable_key(file: &Path, error: &KeyError) -> SettingsError {
    let report = format!("{}: {}", file.display(), process::chain(error));
    SettingsError::Wrong { report }
}

/// Look at the key for whoever checks the settings. Who may not read it cannot say anything against it, nor can one to
/// whom systemd gives no credentials.
fn check_key(file: &Path, chassis: &Chassis) -> Result<(), SettingsError> {
    match key::signing(&chassis.keys) {
        Ok(_) => Ok(()),
        Err(error) if error.is_denied() || matches!(error, KeyError::NoCredentials(_)) => {
            write_line(&format!(
                "warning: the key is not checked: {}",
                process::chain(&error)
            ));
            Ok(())
        }
        Err(error) => Err(unusable_key(file, &error)),
    }
}

/// What waiting does not mend in the settings, by what the system has now.
async fn warn_of_mistakes(file: &Path, settings: &Settings, bridge: Bridge) {
    let found = match Kernel::open() {
        Ok(mut kernel) => system::find(&mut kernel, settings, bridge).await,
        Err(error) => Err(error.into()),
    };
    // What cannot be found out now, `status` shows.
    for finding in found.unwrap_or_default() {
        if finding.is_mistake() {
            tracing::error!(file = %file.display(), what = %finding, "configuration");
        }
    }
}

/// What the settings say by now. An address that was found for this chassis at the start stays: hosts would
/// renegotiate.
fn reread(file: &Path, node_mac: Mac) -> Option<Reread> {
    let (loaded, signing) = match reload(file) {
        Ok(read) => read,
        Err(error) => {
            let error = process::chain(&error);
            tracing::error!(
                error,
                "configuration cannot be used, keeping the previous settings"
            );
            return None;
        }
    };
    for warning in loaded.warnings() {
        let (file, line, what) = (file.display(), warning.line, &warning.message);
        tracing::warn!(%file, line, what, "configuration");
    }
    let settings = loaded.settings;
    let chassis = &settings.chassis;
    let domain = settings.domain.as_ref();
    let bridge = chassis.find_bridge(domain, &Interfaces::when_asked());
    let pair = domain.map(|domain| {
        let node_mac = chassis.node_mac.unwrap_or(node_mac);
        (chassis.config(domain, bridge.name, node_mac), bridge)
    });
    let paths = chassis.paths.clone();
    let file = file.to_owned();
    // Beside what goes on: the kernel has to be asked.
    tokio::spawn(async move { warn_of_mistakes(&file, &settings, bridge).await });
    Some(Reread {
        pair,
        signing,
        paths,
    })
}

fn reload(file: &Path) -> Result<(Loaded, Signing), SettingsError> {
    let loaded = settings::load(file)?;
    let signing = key::signing(&loaded.settings.chassis.keys);
    Ok((loaded, signing.map_err(|error| unusable_key(file, &error))?))
}
