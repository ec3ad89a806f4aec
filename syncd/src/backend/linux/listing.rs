//! The bridge's table, listed while other things happen.

use std::future::ready;
use std::io;

use mclag_netlink::{Event, FdbEntry, FdbListing, NetlinkError};
use tokio::time::Instant;

use super::{BackendEvent, LIST_AGAIN, LinuxBackend, Look, view};

/// How often the table is listed at most. Where entries went meanwhile, the kernel passed over others that are
/// there; each time over others.
const PASSES_MAX: u32 = 4;

/// How often the events that wait are read before it is decided whether entries went.
const READS_MAX: usize = 16;

/// A listing of the table that is under way.
#[derive(Debug)]
pub(super) struct Listing {
    bridge: u32,
    pieces: FdbListing,
    passes: u32,
    /// Entries went since this pass began.
    is_short: bool,
    has_ended: bool,
}

impl Listing {
    pub(super) fn begin(bridge: u32) -> Result<Self, NetlinkError> {
        Ok(Self {
            bridge,
            pieces: FdbListing::begin(bridge)?,
            passes: 1,
            is_short: false,
            has_ended: false,
        })
    }

    /// All pieces of this pass were taken.
    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) const fn entry_is_gone(&mut self) {
        self.is_short = true;
    }
}

/// The next piece; none if there are no more in this pass. The kernel has it at once, so whoever asks for one after
/// the other yields in between.
pub(super) async fn next_piece(
    listing: Option<&mut Listing>,
) -> Result<Option<Vec<FdbEntry>>, NetlinkError> {
    match listing {
        Some(listing) => listing.pieces.next().await,
        None => std::future::pending().await,
    }
}

impl LinuxBackend {
    pub(super) fn take_piece(&mut self, piece: Result<Option<Vec<FdbEntry>>, NetlinkError>) {
        match piece {
            Ok(Some(piece)) => {
                let entries = piece.iter().filter_map(|known| view::entry(known, self));
                let entries = entries.collect();
                let is_last = false;
                self.events
                    .push_back(BackendEvent::Table { entries, is_last });
            }
            Ok(None) => {
                if let Some(listing) = &mut self.listing {
                    listing.has_ended = true;
                }
            }
            Err(error) => self.listing_failed(&error),
        }
    }

    fn listing_failed(&mut self, error: &NetlinkError) {
        if self.failing.failed(Look::Table, &error.to_string()) {
            tracing::warn!(%error, "cannot list the table of the bridge");
        }
        self.listing = None;
        self.list_again_at = Some(Instant::now() + LIST_AGAIN);
    }

    /// A pass over the table is complete: if entries went meanwhile, there is another one. May be given up in the
    /// middle of it, and is called again then.
    pub(super) async fn finish_listing(&mut self) {
        if self.hear_what_waits().await.is_err() {
            // Whoever waits for the next event is told.
            return;
        }
        let Some(listing) = &mut self.listing else {
            return;
        };
        let is_gone = |event: &Event| matches!(event, Event::FdbGone(_));
        listing.is_short |= self.heard.iter().any(is_gone);
        if listing.is_short && listing.passes < PASSES_MAX {
            match FdbListing::begin(listing.bridge) {
                Ok(pieces) => {
                    listing.pieces = pieces;
                    listing.passes += 1;
                    (listing.is_short, listing.has_ended) = (false, false);
                }
                Err(error) => self.listing_failed(&error),
            }
            return;
        }
        self.listing = None;
        if self.failing.done(&Look::Table).is_some() {
            tracing::info!("the table of the bridge can be listed again");
        }
        self.events.push_back(BackendEvent::Table {
            entries: Vec::new(),
            is_last: true,
        });
    }

    async fn hear_what_waits(&mut self) -> io::Result<()> {
        for _ in 0..READS_MAX {
            let heard = tokio::select! {
                biased;
                heard = self.monitor.next() => heard?,
                () = ready(()) => return Ok(()),
            };
            self.heard.extend(heard);
        }
        Ok(())
    }
}
