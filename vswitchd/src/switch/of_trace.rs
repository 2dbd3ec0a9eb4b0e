//! `ofproto/trace`: what becomes of a packet, step by step, without sending one.
//!
//! # Design
//! The packet's headers come from a flow in words, or from its bytes. The walk is that of every packet
//! that no cached flow matches, told; with `-generate`, or where bytes are given, the packet is sent as
//! well. What the datapath brings again is traced on, each time under a line of its own.
//!
//! # References
//! ovs-vswitchd(8), `ofproto/trace`; `ofproto/ofproto-dpif-trace.c` of Open vSwitch.

use datapath::action::RecircId;
use datapath::engine::Injected;
use datapath::l2::normal::{Explained, explain};
use datapath::{Action, BridgeId, DropReason, PortNo};
use openflow::text::{match_text, parse_actions, parse_match};
use openflow::{OfAction, OfPort, options};
use packet::flow::FieldId;
use packet::flow::extract::{self, Depth, VlanLimit};
use packet::{FlowKey, FlowMatch};

use super::Switch;
use crate::ofproto::odp::actions::{Words, actions_text};
use crate::ofproto::odp::headers::headers_text;
use crate::ofproto::view::View;
use crate::ofproto::xlate::tell::{PAYLOAD_LEN, frame_of};
use crate::ofproto::xlate::{Oracle, Start, Told, XlateIn, XlateOut, port_of, translate};

/// Recirculations that are traced at most.
const MAX_ROUNDS: usize = 32;

/// What NORMAL would do now.
struct Now<'a>(&'a Switch);

impl Oracle for Now<'_> {
    fn normal(&self, bridge: BridgeId, in_port: Option<PortNo>, frame: &[u8]) -> Option<Explained> {
        let snapshot = self.0.engine.snapshot();
        explain(&snapshot, (bridge, in_port), frame, self.0.engine.clock().now_ns())
    }
}

/// Where the packet comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Traced {
    /// A port.
    Packet,
    /// A controller, which says what is to be done with it.
    PacketOut,
}

/// What is to be traced.
struct Request {
    bridge: String,
    key: FlowKey,
    frame: Option<Vec<u8>>,
    actions: Option<Vec<OfAction>>,
    sends: bool,
}

impl Switch {
    /// `ofproto/trace BRIDGE FLOW [-generate | PACKET]`, and with `actions` last
    /// `ofproto/trace-packet-out [-consistent] BRIDGE FLOW [-generate | PACKET] ACTIONS`.
    ///
    /// # Errors
    /// One line.
    pub fn trace(&mut self, params: &[String], of: Traced) -> Result<String, String> {
        self.flush_openflow();
        let request = self.trace_request(params, of)?;
        let view = self.of.shared.publisher.current();
        let text = self.trace_text(&view, &request)?;
        if request.sends && request.actions.is_none() {
            self.send_traced(&request);
        }
        Ok(text)
    }

    fn trace_request(&self, params: &[String], of: Traced) -> Result<Request, String> {
        let usage = if of == Traced::PacketOut {
            "ofproto/trace-packet-out: arguments: BRIDGE FLOW [-generate | PACKET] ACTIONS"
        } else {
            "ofproto/trace: arguments: BRIDGE FLOW [-generate | PACKET]"
        };
        let mut words: Vec<&str> = params.iter().map(String::as_str).collect();
        words.retain(|word| *word != "-consistent" && *word != "--consistent");
        let actions = match of {
            Traced::PacketOut => Some(words.pop().ok_or(usage)?),
            Traced::Packet => None,
        };
        let n_words = words.len();
        words.retain(|word| !matches!(*word, "-generate" | "--generate"));
        let generates = words.len() < n_words;
        let (bridge, flow, packet) = match words[..] {
            [bridge, flow] => (bridge, flow, None),
            [bridge, flow, packet] if !generates => (bridge, flow, Some(packet)),
            _ => return Err(usage.to_owned()),
        };
        let state = self.bridges.get(bridge).ok_or(format!("{bridge}: unknown bridge"))?;
        let mut of = parse_match(&self.with_numbers(bridge, flow)).map_err(|e| e.to_string())?;
        let known = self.options(bridge);
        options::resolve_match(&mut of, &known).map_err(|e| e.to_string())?;
        let frame = packet.map(|hex| bytes_of(hex).ok_or("Trailing garbage in packet data"));
        let frame = frame.transpose()?;
        let mut key = of.key().clone();
        if let Some(frame) = &frame {
            extract::headers(frame, Depth::L4, VlanLimit::Two, &mut key);
        }
        let actions = actions.map(|text| parse_actions(&self.with_numbers(bridge, text)));
        let actions = actions.transpose().map_err(|error| error.to_string())?;
        options::check(actions.as_deref().unwrap_or_default(), &known)
            .map_err(|error| error.to_string())?;
        let uses = state.openflow.ofproto.check_uses(actions.as_deref().unwrap_or_default());
        uses.map_err(|error| format!("Bad actions: {error}"))?;
        let sends = generates || frame.is_some();
        Ok(Request { bridge: bridge.to_owned(), key, frame, actions, sends })
    }

    /// Text in which ports are numbers where they were names.
    fn with_numbers(&self, bridge: &str, text: &str) -> String {
        let mut text = text.to_owned();
        for word in ["in_port=", "output:"] {
            let Some(at) = text.find(word).map(|at| at + word.len()) else { continue };
            let rest = text.get(at..).unwrap_or("");
            let end = rest.find([',', ')', ' ']).unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or("").trim_matches('"');
            let named = self.ports_of(bridge).find(|port| port.name == name);
            if let Some(number) = named.and_then(|port| port.config.ofport) {
                text.replace_range(at..at + end, &number.get().to_string());
            }
        }
        text
    }

    fn trace_text(&self, view: &View, request: &Request) -> Result<String, String> {
        let state = self.bridges.get(&request.bridge).ok_or("no such bridge")?;
        let bridge = view.bridge(state.id).ok_or("no such bridge")?;
        let now = Now(self);
        let input = XlateIn {
            view,
            version: self.of.version,
            bridge,
            key: &request.key,
            start: request.actions.as_deref().map_or(Start::Table, Start::Actions),
            keeper: &self.of.shared.keeper,
            told: Told::Yes(&now),
        };
        let mut text = String::new();
        let out = self.trace_round(&input, &mut text);
        let mut waiting = again(out.actions.list());
        let mut kept = vec![out.kept];
        let mut n_rounds = 0;
        while let Some(id) = waiting.pop() {
            let Some(frozen) = input.keeper.frozen(id) else { continue };
            n_rounds += 1;
            if n_rounds > MAX_ROUNDS {
                break;
            }
            let line = "=".repeat(79);
            text.push_str(&format!("\n{line}\nrecirc({:#x})\n{line}\n\n", id.0));
            let mut key = out.key.clone();
            if let Some(frame) = &request.frame
                && key.get(FieldId::EthType) != request.key.get(FieldId::EthType)
            {
                below_labels(frame, &mut key);
            }
            key.set(FieldId::InPortOxm, frozen.in_port.to_wide().into());
            let next = XlateIn { key: &key, start: Start::Frozen(&frozen), ..input };
            let out = self.trace_round(&next, &mut text);
            waiting.extend(again(out.actions.list()));
            kept.push(out.kept);
        }
        Ok(text)
    }

    fn trace_round(&self, input: &XlateIn<'_>, text: &mut String) -> XlateOut {
        let options = &input.bridge.options;
        text.push_str(&format!("Flow: {}\n", headers_text(input.key, options)));
        let out = translate(input);
        text.push_str(&out.report.print());
        let last = match out.key == *input.key {
            true => "unchanged".to_owned(),
            false => headers_text(&out.key, options),
        };
        let mut mask = out.mask.clone();
        mask.add_field(FieldId::InPortOxm);
        let megaflow = FlowMatch::new(input.key, mask).with_options(options);
        let megaflow = match_text(&megaflow, openflow::flow::DEFAULT_PRIORITY);
        let port = |no: u32| no.to_string();
        let words = Words { port: &port, view: input.view, keeper: input.keeper, key: input.key };
        let actions = actions_text(&out.actions, &words);
        text.push_str(&format!(
            "\nFinal flow: {last}\nMegaflow: recirc_id=0,eth,{megaflow}\nDatapath actions: {actions}\n"
        ));
        // That flows send it nowhere is plain from their actions, and is no news.
        let end = out.actions.end();
        if out.actions.list().is_empty() && end != DropReason::PipelineDrop {
            text.push_str(&format!("Drop reason: {}\n", end.explain()));
        }
        out
    }

    /// Sends a packet with these headers as if its port had received it.
    fn send_traced(&mut self, request: &Request) {
        let port = port_of(&request.key);
        let ports = self.bridges.get(&request.bridge).map(|state| state.openflow.ports());
        let no = ports.and_then(|ports| ports.get(&port)).map(|port| port.no);
        if let Some(in_port) = no.filter(|_| port != OfPort::NONE) {
            let bytes = request.frame.clone().unwrap_or_else(|| frame_of(&request.key));
            self.engine.inject(Injected { in_port, bytes, actions: None });
        }
    }
}

/// Where packets go on that these actions bring again.
fn again(list: &[Action]) -> Vec<RecircId> {
    let mut ids = Vec::new();
    for action in list {
        match action {
            Action::Recirc(id) => ids.push(*id),
            Action::Longer { then, otherwise, .. } => ids.extend([*otherwise, *then]),
            Action::Clone(actions) => ids.extend(again(actions.list())),
            _ => {}
        }
    }
    ids
}

/// Reads what is below the labels of a frame into a key.
fn below_labels(frame: &[u8], key: &mut FlowKey) {
    let mut below = frame_of(key);
    let mut whole = FlowKey::EMPTY;
    let at = extract::headers(frame, Depth::L4, VlanLimit::Two, &mut whole).l3;
    let Some(payload) = at.and_then(|at| frame.get(at..)) else { return };
    below.truncate(below.len().saturating_sub(PAYLOAD_LEN));
    below.extend_from_slice(payload);
    let mut read = FlowKey::EMPTY;
    extract::headers(&below, Depth::L4, VlanLimit::Two, &mut read);
    for at in read.nonzero() {
        if key.word(at) == 0 {
            key.put_word(at, read.word(at));
        }
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let hex = hex.as_bytes();
    if hex.is_empty() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    hex.chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect()
}
