//! A namespace, the devices in it, and wires to put frames on.

use std::fs::File;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use mclag_netlink::{
    Event, Kernel, LinkInfo, LinkKind, LinkOp, LinkSetting, Monitor, NetlinkError, Op,
};
use mclag_proto::{IfName, Mac, Vid};
use nix::sched::{CloneFlags, unshare};
use rtnetlink::packet_route::link::{BondLacpRate, BondMode, LinkMessage};
use rtnetlink::{LinkBond, LinkBridge, LinkUnspec, LinkVeth, LinkVlan};
use tokio::time::Instant;

/// Longest wait for something that ought to happen. Generous: the lab emulates its processor.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Why a test cannot run here.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) String);

/// Run a test in a thread and network namespace of its own.
pub(crate) fn in_namespace<F>(name: &str, test: impl FnOnce(Lab) -> F + Send)
where
    F: Future<Output = Result<(), Skip>>,
{
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
                eprintln!("{name}: skipped: no network namespace of its own: {errno}");
                return;
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let result = runtime.block_on(async { test(Lab::new()).await });
            if let Err(Skip(reason)) = result {
                eprintln!("{name}: skipped: {reason}");
            }
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// The devices of one namespace.
pub(crate) struct Lab {
    pub(crate) kernel: Kernel,
    build: rtnetlink::Handle,
}

impl Lab {
    fn new() -> Self {
        let (connection, build, _) = rtnetlink::new_connection().expect("a connection");
        tokio::spawn(connection);
        Self {
            kernel: Kernel::open().expect("a handle"),
            build,
        }
    }

    /// Create a device; a kernel that does not know its kind ends the test.
    pub(crate) async fn add(&self, what: &str, message: LinkMessage) -> Result<(), Skip> {
        match self.build.link().add(message).execute().await {
            Ok(()) => Ok(()),
            Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -libc::EOPNOTSUPP => {
                Err(Skip(format!("kernel lacks {what}")))
            }
            Err(error) => panic!("create {what}: {error}"),
        }
    }

    /// A virtual cable; both ends are up.
    pub(crate) async fn veth(&mut self, a: &str, b: &str) -> Result<(u32, u32), Skip> {
        self.add("veth", LinkVeth::new(a, b).build()).await?;
        let (a, b) = (self.index(a).await, self.index(b).await);
        self.set(a, LinkSetting::AdminUp(true)).await;
        self.set(b, LinkSetting::AdminUp(true)).await;
        Ok((a, b))
    }

    /// A bridge; it is up.
    pub(crate) async fn bridge(
        &mut self,
        name: &str,
        vlan_filtering: bool,
        ageing_time: Duration,
    ) -> Result<u32, Skip> {
        let centiseconds = u32::try_from(ageing_time.as_millis() / 10).expect("short");
        let mut builder = LinkBridge::new(name).ageing_time(centiseconds).up();
        if vlan_filtering {
            builder = builder.vlan_filtering(true);
        }
        let what = if vlan_filtering {
            "a bridge with VLAN filtering"
        } else {
            "a bridge"
        };
        self.add(what, builder.build()).await?;
        let index = self.index(name).await;
        let got = self.link(index).await.kind;
        let LinkKind::Bridge {
            vlan_filtering: filters,
            ageing_time: ages_in,
            mcast_snooping: _,
            spanning_tree: _,
        } = got
        else {
            panic!("{got:?}");
        };
        assert_eq!((filters, ages_in), (vlan_filtering, ageing_time));
        Ok(index)
    }

    /// An LACP bond that speaks every second; it is up.
    pub(crate) async fn bond(&mut self, name: &str) -> Result<u32, Skip> {
        let message = LinkBond::new(name)
            .mode(BondMode::Ieee8023Ad)
            .miimon(100)
            .ad_lacp_rate(BondLacpRate::Fast)
            .up()
            .build();
        self.add("bonding", message).await?;
        Ok(self.index(name).await)
    }

    /// A VLAN of another device; it is up.
    pub(crate) async fn vlan(&mut self, name: &str, lower: u32, vid: u16) -> Result<u32, Skip> {
        let message = LinkVlan::new(name, lower, vid).up().build();
        self.add("VLAN devices", message).await?;
        Ok(self.index(name).await)
    }

    /// Give a device an address.
    pub(crate) async fn add_address(
        &self,
        link: u32,
        address: &str,
        prefix_len: u8,
    ) -> Result<(), Skip> {
        let address: IpAddr = address.parse().expect("an address");
        let request = self.build.address().add(link, address, prefix_len);
        match request.execute().await {
            Ok(()) => Ok(()),
            Err(rtnetlink::Error::NetlinkError(error))
                if matches!(-error.raw_code(), libc::EOPNOTSUPP | libc::EAFNOSUPPORT) =>
            {
                Err(Skip(format!("kernel lacks the family of {address}")))
            }
            Err(error) => panic!("add {address}: {error}"),
        }
    }

    /// Take an address from a device.
    pub(crate) async fn delete_address(&self, link: u32, address: &str, prefix_len: u8) {
        let address = address.parse().expect("an address");
        let mut request = self.build.address().add(link, address, prefix_len);
        let message = request.message_mut().clone();
        let done = self.build.address().del(message).execute().await;
        done.expect("delete an address");
    }

    /// Make a device a part of another one.
    pub(crate) async fn enslave(&mut self, link: u32, master: u32) {
        // A bond takes only what is down.
        self.set(link, LinkSetting::AdminUp(false)).await;
        let message = LinkUnspec::new_with_index(link).controller(master).build();
        let done = self.build.link().set(message).execute().await;
        done.expect("enslave");
        self.set(link, LinkSetting::AdminUp(true)).await;
    }

    /// Free a device of its master.
    pub(crate) async fn release(&self, link: u32) {
        let message = LinkUnspec::new_with_index(link).nocontroller().build();
        let done = self.build.link().set(message).execute().await;
        done.expect("release");
    }

    /// Send a message as it is.
    pub(crate) async fn set_message(&self, message: LinkMessage) {
        let done = self.build.link().set(message).execute().await;
        done.expect("set");
    }

    /// Delete a device.
    pub(crate) async fn delete(&self, link: u32) {
        self.build.link().del(link).execute().await.expect("delete");
    }

    /// Change one setting, which must work.
    pub(crate) async fn set(&mut self, link: u32, set: LinkSetting) {
        self.try_set(link, set).await.expect("set");
    }

    /// Change one setting.
    pub(crate) async fn try_set(
        &mut self,
        link: u32,
        set: LinkSetting,
    ) -> Result<(), NetlinkError> {
        let mut results = self.kernel.apply(&[Op::Link(LinkOp { link, set })]).await;
        assert_eq!(results.len(), 1);
        results.remove(0)
    }

    pub(crate) async fn index(&mut self, device: &str) -> u32 {
        let found = self.kernel.link(&name(device)).await.expect("an answer");
        found.unwrap_or_else(|| panic!("no device {device}")).index
    }

    pub(crate) async fn link(&mut self, index: u32) -> LinkInfo {
        let found = self.kernel.link_at(index).await.expect("an answer");
        found.unwrap_or_else(|| panic!("no device {index}"))
    }

    /// Look at a device until it is as wanted.
    pub(crate) async fn until(
        &mut self,
        index: u32,
        what: &str,
        wanted: impl Fn(&LinkInfo) -> bool,
    ) -> LinkInfo {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let got = self.link(index).await;
            if wanted(&got) {
                return got;
            }
            assert!(Instant::now() < deadline, "not {what}: {got:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Wait for an event that `pick` accepts and return what it makes of it.
pub(crate) async fn event<T>(
    monitor: &mut Monitor,
    what: &str,
    mut pick: impl FnMut(&Event) -> Option<T>,
) -> T {
    let mut seen = Vec::new();
    let waiting = async {
        loop {
            let events = monitor.next().await.expect("events");
            if let Some(found) = events.iter().find_map(&mut pick) {
                return found;
            }
            seen.extend(events);
        }
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(found) => found,
        Err(_) => {
            let seen: Vec<_> = seen.iter().map(|event| format!("{event:?}")).collect();
            panic!("no event: {what}; seen:\n{}", seen.join("\n"));
        }
    }
}

pub(crate) fn name(text: &str) -> IfName {
    IfName::new(text).expect("a name")
}

pub(crate) fn vid(raw: u16) -> Vid {
    Vid::new(raw).expect("a VLAN")
}

/// A locally administered address with this number.
pub(crate) fn mac(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([2, 0, a, b, c, d])
}

/// An end of a virtual cable, to put frames on and take them off.
pub(crate) struct Wire(File);

impl Wire {
    pub(crate) fn open(index: u32) -> Self {
        Self(packet_socket(index).expect("a packet socket"))
    }

    /// Send a frame with a payload to recognise it by, and a tag if a VLAN is given.
    pub(crate) fn send(&mut self, to: Mac, from: Mac, vlan: Option<u16>, payload: &str) {
        let mut frame = [to.0, from.0].concat();
        if let Some(vlan) = vlan {
            frame.extend([0x81, 0x00]);
            frame.extend(vlan.to_be_bytes());
        }
        frame.extend(ETHERTYPE_EXPERIMENTAL);
        frame.extend(payload.as_bytes());
        frame.resize(64, 0);
        self.0.write_all(&frame).expect("send a frame");
    }

    /// Send a frame of another protocol.
    pub(crate) fn send_packet(
        &mut self,
        to: Mac,
        from: Mac,
        vlan: Option<u16>,
        protocol: u16,
        packet: &[u8],
    ) {
        let mut frame = [to.0, from.0].concat();
        if let Some(vlan) = vlan {
            frame.extend([0x81, 0x00]);
            frame.extend(vlan.to_be_bytes());
        }
        frame.extend(protocol.to_be_bytes());
        frame.extend(packet);
        frame.resize(frame.len().max(64), 0);
        self.0.write_all(&frame).expect("send a frame");
    }

    /// The payloads of our frames that are here by now.
    pub(crate) fn received(&mut self) -> Vec<String> {
        let frames = self.frames().into_iter();
        frames.filter_map(|frame| payload(&frame)).collect()
    }

    /// All frames that are here by now.
    pub(crate) fn frames(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut frame = [0; 2048];
        loop {
            match self.0.read(&mut frame) {
                Ok(len) => frames.push(frame[..len].to_vec()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return frames,
                Err(error) => panic!("receive: {error}"),
            }
        }
    }

    /// Wait until a frame with this payload is here; says which came until then.
    pub(crate) async fn wait_for(&mut self, payload: &str) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut all = Vec::new();
        loop {
            all.extend(self.received());
            if all.iter().any(|p| p == payload) {
                return all;
            }
            assert!(Instant::now() < deadline, "no {payload}, only {all:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// What a frame of ours carries.
pub(crate) fn payload(frame: &[u8]) -> Option<String> {
    let payload = frame.get(12..)?.strip_prefix(&ETHERTYPE_EXPERIMENTAL)?;
    let text = String::from_utf8_lossy(payload);
    Some(text.trim_end_matches('\0').to_owned())
}

/// Local experimental EtherType 1 (IEEE 802).
const ETHERTYPE_EXPERIMENTAL: [u8; 2] = [0x88, 0xb5];

#[allow(unsafe_code, reason = "no safe wrapper binds a packet socket")]
fn packet_socket(index: u32) -> std::io::Result<File> {
    let protocol = 0x0003_u16.to_be(); // ETH_P_ALL
    // SAFETY: takes numbers, returns a new descriptor or -1.
    let fd = unsafe {
        libc::socket(
            libc::AF_PACKET,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
            i32::from(protocol),
        )
    };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: all zero is a valid address structure.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).expect("small");
    address.sll_protocol = protocol;
    address.sll_ifindex = i32::try_from(index).expect("an index is positive");
    let len = u32::try_from(size_of_val(&address)).expect("small");
    // SAFETY: pointer and length describe one live structure, which the kernel only reads.
    let bound = unsafe { libc::bind(fd, std::ptr::from_ref(&address).cast(), len) };
    if bound < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(File::from(socket))
}
