//! Every split, and everything that is no request.

use serde_json::json;

use super::*;

const STREAM: &str = concat!(
    r#"{"id":0,"method":"fdb/show","params":["br0"]}"#,
    r#"{"id":"a}\"{","method":"x","params":["\\","}\\\"{",1,{"y":[{}]}]}"#,
    " \n\t",
    r#"{"method":"version","params":[],"id":[1,null]}"#,
);

fn expected() -> Vec<Request> {
    let request = |id: Value, method: &str, params: Value| Request {
        id,
        method: method.into(),
        params: params.as_array().unwrap().clone(),
    };
    vec![
        request(json!(0), "fdb/show", json!(["br0"])),
        request(json!("a}\"{"), "x", json!(["\\", "}\\\"{", 1, {"y": [{}]}])),
        request(json!([1, null]), "version", json!([])),
    ]
}

fn feed(inbox: &mut Inbox, bytes: &[u8]) -> Result<Vec<Request>, BadRequest> {
    inbox.push(bytes);
    let mut requests = Vec::new();
    while let Some(request) = inbox.next_request()? {
        requests.push(request);
    }
    Ok(requests)
}

fn error_of(text: &[u8]) -> BadRequest {
    let mut inbox = Inbox::default();
    feed(&mut inbox, text).expect_err("accepted")
}

#[test]
fn every_split_in_three_gives_the_same_requests() {
    let stream = STREAM.as_bytes();
    for i in 0..=stream.len() {
        for j in i..=stream.len() {
            let mut inbox = Inbox::default();
            let mut requests = Vec::new();
            for part in [&stream[..i], &stream[i..j], &stream[j..]] {
                requests.extend(feed(&mut inbox, part).unwrap());
            }
            assert_eq!(requests, expected(), "split at {i} and {j}");
            assert_eq!(inbox.at_end(), None);
        }
    }
}

#[test]
fn byte_by_byte() {
    let mut inbox = Inbox::default();
    let pieces = STREAM.as_bytes().chunks(1);
    let requests: Vec<_> = pieces.flat_map(|b| feed(&mut inbox, b).unwrap()).collect();
    assert_eq!(requests, expected());
}

#[test]
fn every_prefix_of_a_request_is_half_a_request() {
    let request = r#"{"id":"é\u00e9","method":"x","params":["a\\",{"b":[-1.5e3,true,null]}]}"#;
    for len in 1..request.len() {
        let mut inbox = Inbox::default();
        assert_eq!(feed(&mut inbox, &request.as_bytes()[..len]), Ok(vec![]), "{len} bytes");
        assert_eq!(inbox.at_end(), Some(BadRequest::CutShort(len)));
    }
}

#[test]
fn garbage_is_refused_at_once() {
    assert_eq!(error_of(b"garbage"), BadRequest::NotAnObject('g'));
    assert_eq!(error_of(b" [1]"), BadRequest::NotAnObject('['));
    assert_eq!(error_of(b"\xff\xfe"), BadRequest::NotAnObject('\u{fffd}'));
    assert_eq!(error_of(b"}"), BadRequest::NotAnObject('}'));
    for text in [&b"{garbage"[..], b"{\"a\" x", b"{\"id\":01,", b"{]", b"{\"id\":\"\xff\"}"] {
        assert!(matches!(error_of(text), BadRequest::NotJson(_)), "{text:?}");
    }
}

#[test]
fn what_precedes_garbage_is_served() {
    let mut inbox = Inbox::default();
    inbox.push(br#"{"id":1,"method":"version","params":[]}garbage"#);
    assert_eq!(inbox.next_request().unwrap().unwrap().method, "version");
    assert_eq!(inbox.next_request(), Err(BadRequest::NotAnObject('g')));
}

#[test]
fn deep_nesting_is_refused() {
    let n = 100_000;
    let deep = [b"{\"a\":".as_slice(), &b"[".repeat(n), &b"]".repeat(n), b"}"].concat();
    assert!(matches!(error_of(&deep), BadRequest::NotJson(_)));
}

#[test]
fn an_object_that_is_no_request_names_what_is_wrong_and_keeps_its_id() {
    for (text, id, why) in [
        (r#"{"id":null,"method":"a","params":[]}"#, json!(null), "notifications"),
        (r#"{"method":"a","params":[]}"#, json!(null), "notifications"),
        (r#"{"id":7,"params":[]}"#, json!(7), "no \"method\""),
        (r#"{"id":7,"method":"a"}"#, json!(7), "no \"params\""),
        (r#"{"id":7,"method":"a","params":"b"}"#, json!(7), "not an array"),
        (r#"{"id":7,"method":5,"params":[]}"#, json!(7), "not a string"),
        (r#"{"id":7,"result":"a","error":null}"#, json!(7), "no \"method\""),
    ] {
        let error = error_of(text.as_bytes());
        assert_eq!(error.id(), id, "{text}");
        assert!(error.to_string().contains(why), "{text}: {error}");
    }
}

fn request_of_len(len: usize) -> Vec<u8> {
    let (head, tail) = (r#"{"id":1,"method":"a","params":[""#, r#""]}"#);
    format!("{head}{}{tail}", "x".repeat(len - head.len() - tail.len())).into_bytes()
}

#[test]
fn the_longest_request_passes_and_one_byte_more_does_not() {
    for chunk in [MAX_REQUEST_LEN + 1, 65536, 4096] {
        let mut inbox = Inbox::default();
        let longest = request_of_len(MAX_REQUEST_LEN);
        let served: usize =
            longest.chunks(chunk).map(|bytes| feed(&mut inbox, bytes).unwrap().len()).sum();
        assert_eq!(served, 1);

        let mut inbox = Inbox::default();
        let too_long = request_of_len(MAX_REQUEST_LEN + 1);
        let result = too_long.chunks(chunk).try_for_each(|b| feed(&mut inbox, b).map(drop));
        assert_eq!(result, Err(BadRequest::TooLong));
    }
}

#[test]
fn a_request_without_end_is_refused_at_the_limit() {
    let mut inbox = Inbox::default();
    assert_eq!(feed(&mut inbox, br#"{"id":""#), Ok(vec![]));
    let error = (0..=MAX_REQUEST_LEN / 1024).find_map(|_| feed(&mut inbox, &[b'x'; 1024]).err());
    assert_eq!(error, Some(BadRequest::TooLong));
}

#[test]
fn a_megabyte_byte_by_byte_takes_linear_time() {
    // Quadratic work would be half a million times a megabyte: minutes, even optimised.
    let mut inbox = Inbox::default();
    let request = request_of_len(MAX_REQUEST_LEN);
    let start = std::time::Instant::now();
    let served: usize = request.chunks(1).map(|b| feed(&mut inbox, b).unwrap().len()).sum();
    assert_eq!(served, 1);
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}
