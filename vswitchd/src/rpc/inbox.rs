//! Cuts a byte stream into requests.
//!
//! # Design
//! A scan over new bytes alone finds the end of an object (braces outside strings); only then is it
//! parsed. Half a request is also parsed now and then, each time that it has doubled, so that garbage
//! after an opening brace is refused at once and not awaited for ever. Both are linear in what the
//! client sends, in whatever pieces it sends it.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// Longest request, bytes.
pub const MAX_REQUEST_LEN: usize = 1 << 20;

/// Up to this length half a request is parsed each time that bytes arrive, bytes.
const EAGER_LEN: usize = 4096;

/// A well-formed request.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// Whatever the client chose, not null.
    pub id: Value,
    /// The method.
    pub method: String,
    /// Its parameters; unixctl methods take strings alone.
    pub params: Vec<Value>,
}

/// Why the stream is not a sequence of requests. The connection cannot go on.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BadRequest {
    /// Not JSON.
    #[error("request is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not an object.
    #[error("request is not a JSON object: it begins with {0:?}")]
    NotAnObject(char),
    /// Too long.
    #[error("request is longer than {MAX_REQUEST_LEN} bytes")]
    TooLong,
    /// The client stopped sending in the middle.
    #[error("request ends after {0} bytes, before its closing brace")]
    CutShort(usize),
    /// An object that is not a request.
    #[error("not a JSON-RPC request: {why}")]
    NotARequest {
        /// The id that the reply bears.
        id: Value,
        /// What is wrong.
        why: &'static str,
    },
}

impl BadRequest {
    /// The id for the reply: null where none can be told.
    #[must_use]
    pub fn id(&self) -> Value {
        match self {
            BadRequest::NotARequest { id, .. } => id.clone(),
            _ => Value::Null,
        }
    }
}

/// Bytes received and not yet served.
#[derive(Default, Debug)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Where the current request begins.
    start: usize,
    scan: Scan,
    /// Length of the half request parsed last.
    checked_len: usize,
}

impl Inbox {
    /// Takes what the client sent.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.scan.at -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next request, or `None` until more bytes are there.
    ///
    /// # Errors
    /// The stream is broken; what follows has no meaning.
    pub fn next_request(&mut self) -> Result<Option<Request>, BadRequest> {
        self.skip_blanks();
        let Some(first) = self.bytes.get(self.start) else { return Ok(None) };
        if *first != b'{' {
            return Err(self.not_an_object());
        }
        let end = self.scan.object_end(&self.bytes);
        if end.unwrap_or(self.bytes.len()) - self.start > MAX_REQUEST_LEN {
            return Err(BadRequest::TooLong);
        }
        let Some(end) = end else { return self.check_half().map(|()| None) };
        let object = &self.bytes[self.start..end];
        let request = serde_json::from_slice(object).map_err(not_json).and_then(request_of);
        self.start = end;
        self.checked_len = 0;
        if self.start == self.bytes.len() {
            // Gives back what a large request took.
            *self = Inbox::default();
        }
        request.map(Some)
    }

    /// What to say about the bytes that are left when the client has stopped sending.
    #[must_use]
    pub fn at_end(&self) -> Option<BadRequest> {
        let left = self.bytes.len() - self.start;
        (left > 0).then_some(BadRequest::CutShort(left))
    }

    fn skip_blanks(&mut self) {
        let blanks = self.bytes[self.start..].iter().take_while(|b| b.is_ascii_whitespace());
        let start = self.start + blanks.count();
        if start != self.start {
            self.start = start;
            self.scan.at = self.scan.at.max(start);
        }
    }

    /// Tells JSON of another kind from garbage.
    fn not_an_object(&self) -> BadRequest {
        let text = String::from_utf8_lossy(&self.bytes[self.start..]);
        BadRequest::NotAnObject(text.chars().next().unwrap_or('\u{fffd}'))
    }

    /// Half a request must be the beginning of JSON.
    fn check_half(&mut self) -> Result<(), BadRequest> {
        let half = &self.bytes[self.start..];
        if half.len() > EAGER_LEN && half.len() < 2 * self.checked_len {
            return Ok(());
        }
        self.checked_len = half.len();
        // Half a number may be no number: it is left out, and checked with what follows it.
        let is_number = |b: &u8| b.is_ascii_digit() || b"+-.eE".contains(b);
        let n_number = half.iter().rev().take_while(|b| is_number(b)).count();
        let mut parser = serde_json::Deserializer::from_slice(&half[..half.len() - n_number]);
        match IgnoredAny::deserialize(&mut parser) {
            Err(error) if !error.is_eof() => Err(not_json(error)),
            _ => Ok(()),
        }
    }
}

/// Looks for the end of an object, once over each byte.
#[derive(Default, Debug)]
struct Scan {
    /// The next byte to look at.
    at: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scan {
    /// The index after the closing brace of the object that begins where the last ended.
    fn object_end(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(byte) = bytes.get(self.at) {
            self.at += 1;
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' => self.depth += 1,
                b'}' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(self.at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

// By value, as `map_err` hands it over.
#[allow(clippy::needless_pass_by_value)]
fn not_json(error: serde_json::Error) -> BadRequest {
    BadRequest::NotJson(error.to_string())
}

fn request_of(mut object: Map<String, Value>) -> Result<Request, BadRequest> {
    let id = object.remove("id").unwrap_or(Value::Null);
    let bad = |id: &Value, why| Err(BadRequest::NotARequest { id: id.clone(), why });
    if id.is_null() {
        return bad(&id, "it has no \"id\", or null: notifications are not served");
    }
    match (object.remove("method"), object.remove("params")) {
        (None, _) => bad(&id, "it has no \"method\""),
        (_, None) => bad(&id, "it has no \"params\""),
        (Some(Value::String(method)), Some(Value::Array(params))) => {
            Ok(Request { id, method, params })
        }
        (Some(Value::String(_)), _) => bad(&id, "\"params\" is not an array"),
        _ => bad(&id, "\"method\" is not a string"),
    }
}

#[cfg(test)]
mod tests;
