//! The session is gone: what of the peer still counts.
//!
//! The peer's daemon may be gone and its dataplane alive. By default everything stays as it is for
//! a while ([`crate::OnLoss::Hold`], `docs/adr/0004-losing-the-session-changes-nothing.md`); strict SONiC gives
//! everything up at once, unless the peer announced a warm reboot ([`crate::OnLoss::Release`],
//! `spec/behaviour.md` 6.6, 14.2).

use super::{Domain, SessionState, ShutdownNotice, Time, Timer};
use crate::config::{Config, OnLoss};
use crate::lag::{Event, News};
use crate::peer::Change;
use std::time::Duration;

/// How long a peer may take to reboot warm, and how long its announcement of that holds
/// (`spec/behaviour.md` 3.1).
pub(super) const WARM_WINDOW: Duration = Duration::from_secs(90);

impl Domain {
    /// The session that was in state `from` is gone.
    pub(super) fn session_down(&mut self, from: SessionState, now: Time) {
        self.outbox.clear();
        self.timers.stop(Timer::LegacySync);
        let shutdown_notice = self.peer.shutdown_notice();
        let announced =
            self.timers.is_set(Timer::PeerWarm) || shutdown_notice == Some(ShutdownNotice::Restart);
        self.timers.stop(Timer::PeerWarm);
        let was_one = from.is_operational();
        if was_one {
            // Looks at every entry; a peer can connect and vanish a thousand times a second.
            self.tables.fdb.session_down(false);
            self.tables.neigh.session_down();
        }
        for port in self.ports.values_mut() {
            port.owe_ack(false);
            port.advertise(News::SessionLost);
        }
        let strict = self.config.on_loss == OnLoss::Release;
        let leaves = shutdown_notice == Some(ShutdownNotice::Leave);
        let change = match () {
            // It is the next run's to decide, or everything was given up before.
            () if self.life.is_stopping() || leaves => Change::Lost,
            () if announced => Change::LostToRestart,
            () if was_one && strict => Change::LostAtOnce,
            () => Change::Lost,
        };
        self.peer.lost(change, now);
        match self.peer.known() {
            _ if self.life.is_stopping() => {}
            _ if leaves => self.forget_peer(),
            known if known.is_released() && was_one && strict => self.release_peer(),
            known if known.is_released() => {}
            _ if announced => {
                let window = match self.config.on_loss {
                    OnLoss::Hold => self.config.restart_hold.max(WARM_WINDOW),
                    OnLoss::Release => WARM_WINDOW,
                };
                self.timers.set(Timer::RestartHold, now + window);
            }
            _ if was_one && !self.timers.is_set(Timer::RestartHold) => {
                let hold = self.config.restart_hold;
                self.timers.set(Timer::RestartHold, now + hold);
            }
            _ => {}
        }
    }

    /// The peer did not come back in time.
    pub(super) fn restart_hold_over(&mut self) {
        self.peer.overdue();
        self.tables.neigh.complete();
        match self.config.on_loss {
            _ if self.session.state() == SessionState::Exchange => self.peer_macs_complete(),
            OnLoss::Hold => {
                self.partners.clear();
                self.tables.fdb.session_down(true);
                self.peer_macs_complete();
                // Nobody is left to say what is behind the peer link (W-37).
                self.tables.peer_link_learning = true;
                for port in self.ports.values_mut() {
                    port.step(Event::Release, &mut self.timers);
                }
            }
            // What it is saying just now is the next session's.
            OnLoss::Release if self.session.is_operational() => {}
            OnLoss::Release => self.release_peer(),
        }
    }

    /// Nothing of what the peer advertised holds any more, and it says so itself: it took its ports out of
    /// the pair, or it is no longer the peer.
    pub(super) fn forget_peer(&mut self) {
        match self.config.on_loss {
            OnLoss::Hold => {
                self.peer.forget();
                self.timers.stop(Timer::RestartHold);
                self.restart_hold_over();
            }
            OnLoss::Release => self.release_peer(),
        }
    }

    /// As SONiC: isolation is lifted, ports carry data, what the peer advertised is forgotten, and the
    /// standby is itself again. Learning on the peer link stays off (`spec/behaviour.md` 6.6).
    fn release_peer(&mut self) {
        self.partners.clear();
        self.tables.fdb.session_down(true);
        self.peer_macs_complete();
        self.peer.release();
        for port in self.ports.values_mut() {
            port.step(Event::Release, &mut self.timers);
        }
        self.elect_against(None);
    }
}

const _: () = assert!(WARM_WINDOW.as_secs() == Config::RESTART_HOLD.as_secs());
