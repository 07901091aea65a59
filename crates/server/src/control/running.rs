//! The parts that only a running server has, for commands that need them.

use std::net::SocketAddr;
use std::sync::Arc;

use switchboard_protocol::Dialect;

use crate::admin::AdminListener;
use crate::admission::Admission;
use crate::listener::{Listener, Service};
use crate::planned_stop::PlannedStop;
use crate::reload::Reload;
use crate::tls::Tls;

/// The parts of a running server beside its hub.
#[derive(Debug)]
pub(crate) struct RunningServer {
    pub(crate) admission: Arc<Admission>,
    pub(crate) listeners: Vec<BoundListener>,
    /// The certificate of the listeners with TLS, if there are any. They share it.
    pub(crate) tls: Option<Tls>,
    pub(crate) planned_stop: PlannedStop,
    /// `None` for a server that another program embeds.
    reload: Option<Arc<Reload>>,
}

/// A listener, as the operator sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BoundListener {
    /// Its service: `commands`, `commands-tls`, `line`, `line-tls`, `web`, `web-tls` or `monitoring`.
    pub(crate) service: &'static str,
    pub(crate) address: SocketAddr,
}

impl RunningServer {
    pub(crate) fn new(
        listeners: &[Listener],
        admin: &[AdminListener],
        admission: Arc<Admission>,
        reload: Option<Arc<Reload>>,
    ) -> Self {
        let tls = listeners.iter().find_map(|listener| listener.tls.clone());
        let bound = listeners.iter().filter_map(|listener| {
            let service = match (listener.service, listener.tls.is_some()) {
                (Service::Lines(Dialect::Commands), false) => "commands",
                (Service::Lines(Dialect::Commands), true) => "commands-tls",
                (Service::Lines(Dialect::Line), false) => "line",
                (Service::Lines(Dialect::Line), true) => "line-tls",
                (Service::Web, false) => "web",
                (Service::Web, true) => "web-tls",
            };
            Some(BoundListener { service, address: listener.local_addr().ok()? })
        });
        let monitoring = admin
            .iter()
            .filter_map(|listener| Some(BoundListener { service: "monitoring", address: listener.local_addr().ok()? }));
        Self {
            admission,
            listeners: bound.chain(monitoring).collect(),
            tls,
            planned_stop: PlannedStop::default(),
            reload,
        }
    }

    /// Answers a command on the configuration.
    pub(super) fn configure(&self, answer: impl FnOnce(&Reload) -> String) -> String {
        match &self.reload {
            Some(reload) => answer(reload),
            None => "ERROR NOT_SUPPORTED another program runs this server: configure that program\n".to_owned(),
        }
    }
}
