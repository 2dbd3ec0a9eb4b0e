//! The main loop: one thread that waits for clients, the kernel, poll threads, signals and time.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::signals::Signals;
use crate::appctl::Appctl;
use crate::log::Log;
use crate::netlink::{Monitor, RouteMonitor};
use crate::ofconn::OfConns;
use crate::rpc::{Dispatch, Outcome, Request, Server, Session};
use crate::switch::Switch;
use crate::switch::routes::RouteEvent;

const SIGNALS: Token = Token(0);
const KERNEL: Token = Token(1);
const ENGINE: Token = Token(2);
const LESSONS: Token = Token(3);
const ROUTES: Token = Token(4);
/// The server's own, and those above.
const SERVER: Token = Token(16);
/// Those of OpenFlow, and all above.
const OPENFLOW: Token = Token(1 << 30);

/// How often the switch ages and retries.
const TICK_PERIOD: Duration = Duration::from_secs(1);

/// Everything that the main loop drives.
pub struct MainLoop {
    poll: Poll,
    switch: Switch,
    log: Arc<Log>,
    appctl: Appctl,
    server: Server,
    ofconns: OfConns,
    monitor: Monitor,
    /// While there are tunnels.
    routes: Option<RouteMonitor>,
    signals: Signals,
    ticks_at: Instant,
}

/// Serves requests. Listeners and controllers follow before an answer goes out: whoever has made a
/// bridge may connect to it at once.
struct Serving<'a> {
    appctl: &'a mut Appctl,
    switch: &'a mut Switch,
    ofconns: &'a mut OfConns,
}

impl Dispatch for Serving<'_> {
    fn dispatch(&mut self, request: &Request, session: &mut Session) -> Outcome {
        let outcome = self.appctl.dispatcher(self.switch).dispatch(request, session);
        if self.switch.take_config_changed() {
            self.ofconns.follow(self.switch.config());
        }
        outcome
    }
}

impl MainLoop {
    /// Listens, and watches everything else.
    pub fn new(switch: Switch, log: Arc<Log>, socket: &Path) -> anyhow::Result<MainLoop> {
        let poll = Poll::new().context("epoll")?;
        let registry = poll.registry();
        let signals = Signals::new(registry, SIGNALS).context("signals")?;
        let monitor = Monitor::new().context("the kernel's interfaces cannot be followed")?;
        let watch =
            |fd: RawFd, token| registry.register(&mut SourceFd(&fd), token, Interest::READABLE);
        watch(monitor.as_raw_fd(), KERNEL).context("the kernel's notifications")?;
        watch(switch.engine().event_fd().as_raw_fd(), ENGINE).context("poll threads' events")?;
        watch(switch.lessons_fd().as_raw_fd(), LESSONS).context("what packets teach")?;
        let server = Server::bind(socket, registry, SERVER)
            .with_context(|| format!("control socket {}", socket.display()))?;
        let rundir = socket.parent().unwrap_or(Path::new("."));
        let ofconns = OfConns::new(rundir, registry, OPENFLOW).context("OpenFlow")?;
        let now = Instant::now();
        let appctl = Appctl::new(log.clone(), now);
        let ticks_at = now;
        let mut main_loop = MainLoop {
            poll,
            switch,
            log,
            appctl,
            server,
            ofconns,
            monitor,
            routes: None,
            signals,
            ticks_at,
        };
        // The interfaces as they are now; and what happened while the switch opened its ports.
        main_loop.follow_kernel();
        main_loop.switch.on_engine_events();
        main_loop.ofconns.follow(main_loop.switch.config());
        Ok(main_loop)
    }

    /// Serves until someone asks it to stop.
    pub fn run(&mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            let now = Instant::now();
            let until_tick = self.ticks_at.saturating_duration_since(now);
            let pending = self.server.has_pending() || self.ofconns.has_pending();
            let rests = [self.switch.tunnels_rest(), self.ofconns.rest(now)];
            let until = rests.into_iter().flatten().fold(until_tick, Duration::min);
            let wait = if pending { Duration::ZERO } else { until };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other.context("epoll")?,
            }
            for event in &events {
                match event.token() {
                    SIGNALS if self.take_signals() => return Ok(()),
                    SIGNALS => {}
                    KERNEL => self.follow_kernel(),
                    ENGINE => self.switch.on_engine_events(),
                    LESSONS => self.switch.on_lessons(),
                    ROUTES => self.follow_routes(),
                    token if token >= OPENFLOW => self.ofconns.ready(token, &mut self.switch),
                    token => self.serve(|server, serving| server.ready(token, serving)),
                }
            }
            self.serve(Server::run_pending);
            if self.server.is_exit_asked() {
                return Ok(());
            }
            self.ofconns.end_turn(&mut self.switch);
            self.appctl.count_lost_packets(self.ofconns.take_lost());
            self.tend_tunnels();
            self.tick();
        }
    }

    fn serve(&mut self, some: impl FnOnce(&mut Server, &mut dyn Dispatch)) {
        let MainLoop { appctl, switch, ofconns, server, .. } = self;
        some(server, &mut Serving { appctl, switch, ofconns });
    }

    /// Takes the switch down. The server still holds the clients that asked for it.
    pub fn stop(self) -> Server {
        let MainLoop { switch, server, ofconns, .. } = self;
        drop(switch);
        ofconns.finish();
        server
    }

    /// Whether to stop.
    fn take_signals(&mut self) -> bool {
        let asked = self.signals.take();
        if asked.reopen {
            reopen(&self.log);
        }
        asked.stop
    }

    fn follow_kernel(&mut self) {
        match self.monitor.receive() {
            Ok(events) => events.into_iter().for_each(|event| self.switch.on_link(event)),
            Err(error) => tracing::warn!("the kernel's notifications cannot be read: {error}"),
        }
        self.appctl.count_netlink(self.monitor.take_count());
    }

    /// Listens to what the kernel tells of routes while there are tunnels; asks when that is due.
    fn tend_tunnels(&mut self) {
        match (&self.routes, self.switch.has_tunnels()) {
            (None, true) => match self.watch_routes() {
                Ok(routes) => {
                    self.routes = Some(routes);
                    // What changed before is not told.
                    self.switch.on_route(RouteEvent::Changed);
                }
                Err(error) => tracing::warn!("the kernel's routes cannot be followed: {error}"),
            },
            (Some(_), false) => self.routes = None, // epoll forgets a closed descriptor
            _ => {}
        }
        self.switch.tend_tunnels();
    }

    fn watch_routes(&self) -> io::Result<RouteMonitor> {
        let routes = RouteMonitor::new()?;
        let fd = routes.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), ROUTES, Interest::READABLE)?;
        Ok(routes)
    }

    fn follow_routes(&mut self) {
        let Some(routes) = &mut self.routes else { return };
        match routes.receive() {
            Ok(events) => events.into_iter().for_each(|event| self.switch.on_route(event)),
            Err(error) => tracing::warn!("the kernel's notifications cannot be read: {error}"),
        }
        self.appctl.count_netlink(routes.take_count());
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if now < self.ticks_at {
            return;
        }
        self.ticks_at = now + TICK_PERIOD;
        self.switch.tick();
        self.server.tick(now);
        self.ofconns.tick(&mut self.switch, now);
        self.appctl.tick(&self.switch, self.server.n_clients(), now);
    }
}

fn reopen(log: &Log) {
    let reopened: io::Result<()> = log.reopen();
    match reopened {
        Ok(()) => tracing::info!(target: "vlog", "log reopened"),
        Err(error) => tracing::warn!(target: "vlog", "the log file cannot be reopened: {error}"),
    }
}
