//! The last ends of sessions, so that the operator can answer why somebody was disconnected, and so that a client that comes
//! back hears it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use switchboard_core::CloseReason;
use switchboard_core::change::UnixMillis;
use switchboard_protocol::Username;
use switchboard_protocol::version2::timestamp;

use crate::identity::secure_transport::TransportKind;
use crate::outbox::Outbox;

/// Maximum ends that are kept: a few for each person of a school, in about two megabytes.
const CLOSINGS_MAX: usize = 8192;

/// Maximum time after which a client that comes back is told why its last session was ended: a working day.
const TOLD_WITHIN: Duration = Duration::from_hours(8);

/// The end of a session that had a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Closing {
    pub(crate) at: UnixMillis,
    pub(crate) name: String,
    /// The name of the device, if it was one of an account.
    pub(crate) device: Option<String>,
    pub(crate) reason: CloseReason,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) transport: Option<TransportKind>,
    /// The bytes that the server had for the client, and that the client's system had not taken.
    pub(crate) unsent_bytes: usize,
}

impl Closing {
    /// The reason, as the person hears it after the next login.
    pub(crate) fn sentence(&self) -> String {
        let reason = match self.reason {
            CloseReason::Kicked => "the operator has closed it",
            CloseReason::SlowConsumer => "your client did not read for too long",
            reason => reason.as_str(),
        };
        format!("Your last session here ended at {}: {reason}.", timestamp(self.at.0))
    }
}

/// The last ends, the oldest one first, and the numbers of all ends since the start.
#[derive(Debug, Default)]
pub(crate) struct Closings {
    last: VecDeque<Closing>,
    /// Number of ends before the first that is kept.
    forgotten: u64,
    /// The number of the newest end of each device and of each guest.
    newest: HashMap<ClientKey, u64>,
    counts: [u64; CloseReason::ALL.len()],
}

/// Recognizes a client that comes back: the device of an account, or a guest of the same name and address.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum ClientKey {
    Device(String, String),
    Guest(String, Option<IpAddr>),
}

impl ClientKey {
    fn new(name: &str, device: Option<&str>, peer: Option<IpAddr>) -> Self {
        let folded = Username::new(name).map_or_else(|_| name.to_owned(), |name| name.folded().to_owned());
        match device {
            Some(device) => Self::Device(folded, device.to_owned()),
            None => Self::Guest(folded, peer),
        }
    }

    fn of(closing: &Closing) -> Self {
        Self::new(&closing.name, closing.device.as_deref(), closing.peer)
    }
}

impl Closings {
    /// Counts an end, and keeps it if the session had a name.
    pub(crate) fn add(
        &mut self,
        at: UnixMillis,
        name: Option<&str>,
        device: Option<&str>,
        reason: CloseReason,
        outbox: Option<&Outbox>,
    ) {
        self.counts[reason as usize] += 1;
        let Some(name) = name else { return };
        self.keep(Closing {
            at,
            name: name.to_owned(),
            device: device.map(str::to_owned),
            reason,
            peer: outbox.and_then(Outbox::peer),
            transport: outbox.and_then(Outbox::transport_kind),
            unsent_bytes: outbox.map_or(0, Outbox::unsent_bytes),
        });
    }

    fn keep(&mut self, closing: Closing) {
        if self.last.len() >= CLOSINGS_MAX
            && let Some(oldest) = self.last.pop_front()
        {
            let key = ClientKey::of(&oldest);
            if self.newest.get(&key) == Some(&self.forgotten) {
                self.newest.remove(&key);
            }
            self.forgotten += 1;
        }
        self.newest.insert(ClientKey::of(&closing), self.forgotten + self.last.len() as u64);
        self.last.push_back(closing);
    }

    /// The last end of a client that comes back, if its person should hear it: the client did not read, so that it heard
    /// nothing, or the operator has closed it, and both not long ago. Tells it once. Other ends are the client's own, or it
    /// has received their error. A program that ends with unread bytes resets its connection, too.
    pub(crate) fn take_untold(
        &mut self,
        name: &str,
        device: Option<&str>,
        peer: Option<IpAddr>,
        now: UnixMillis,
    ) -> Option<&Closing> {
        let number = self.newest.remove(&ClientKey::new(name, device, peer))?;
        let index = usize::try_from(number.checked_sub(self.forgotten)?).ok()?;
        let closing = self.last.get(index)?;
        let age = Duration::from_millis(now.0.saturating_sub(closing.at.0));
        let is_news = matches!(closing.reason, CloseReason::SlowConsumer | CloseReason::Kicked);
        (is_news && age <= TOLD_WITHIN).then_some(closing)
    }

    /// The kept ends of sessions with this name in any spelling, the newest one first.
    pub(crate) fn of_name<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Closing> {
        let fold = |name: &str| Username::new(name).map(|name| name.folded().to_owned());
        let folded = fold(name).ok();
        self.last.iter().rev().filter(move |closing| folded.is_some() && fold(&closing.name).ok() == folded)
    }

    /// Number of ends since the start, in the order of [`CloseReason::ALL`].
    pub(crate) fn counts(&self) -> &[u64; CloseReason::ALL.len()] {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));
    const ELSEWHERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)));

    fn closing(name: &str, device: Option<&str>, reason: CloseReason, at: u64) -> Closing {
        Closing {
            at: UnixMillis(at),
            name: name.to_owned(),
            device: device.map(str::to_owned),
            reason,
            peer: HERE,
            transport: Some(TransportKind::Tcp),
            unsent_bytes: 0,
        }
    }

    #[test]
    fn client_hears_its_own_last_end_once() {
        let now = UnixMillis(1_000_000_000);
        let hour = 3_600_000;
        let mut closings = Closings::default();
        closings.keep(closing("Noy", Some("laptop"), CloseReason::Kicked, now.0));
        closings.keep(closing("Noy", Some("phone"), CloseReason::Quit, now.0));
        closings.keep(closing("Guest", None, CloseReason::SlowConsumer, now.0));
        closings.keep(closing("Lost", None, CloseReason::Reset, now.0));
        closings.keep(closing("Twice", None, CloseReason::Displaced, now.0));
        closings.keep(closing("Early", None, CloseReason::Kicked, now.0 - 9 * hour));
        let mut told = |name, device, peer| closings.take_untold(name, device, peer, now).map(|closing| closing.reason);
        let cases = [
            ("NOY", Some("laptop"), ELSEWHERE, Some(CloseReason::Kicked)),
            ("Noy", Some("laptop"), HERE, None),
            ("Noy", Some("phone"), HERE, None),
            ("Noy", None, HERE, None),
            ("Guest", None, ELSEWHERE, None),
            ("Guest", None, HERE, Some(CloseReason::SlowConsumer)),
            ("Lost", None, HERE, None),
            ("Twice", None, HERE, None),
            ("Early", None, HERE, None),
        ];
        for (name, device, peer, expected) in cases {
            assert_eq!(told(name, device, peer), expected, "{name} {device:?}");
        }
    }

    #[test]
    fn closings_are_bounded_and_the_newest_come_first() {
        let mut closings = Closings::default();
        closings.keep(closing("First", None, CloseReason::Kicked, 0));
        for at in 1..=CLOSINGS_MAX as u64 {
            closings.keep(closing("Noy", None, CloseReason::Kicked, at));
        }
        assert_eq!((closings.last.len(), closings.newest.len()), (CLOSINGS_MAX, 1), "the first one is forgotten");
        assert_eq!(closings.of_name("First").count(), 0);
        let newest: Vec<_> = closings.of_name("noy").take(2).map(|closing| closing.at.0).collect();
        assert_eq!(newest, [CLOSINGS_MAX as u64, CLOSINGS_MAX as u64 - 1]);
        assert!(closings.take_untold("Noy", None, HERE, UnixMillis(CLOSINGS_MAX as u64)).is_some());
    }
}
