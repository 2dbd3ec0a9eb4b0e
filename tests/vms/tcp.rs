//! TCP with a guest, whose bytes are compared.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use switch_tests::{Host, Vm, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes each way: enough for whole segments and full windows.
const LEN: usize = 6_000_000;

/// Sends noise to the guest, which sends back what it got: both ways, and the same bytes.
pub fn there_and_back(vm: &mut Vm, address: &str, host: &Host) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(LEN / 8)
    .flatten()
    .collect();
    // Its input stays open: it would end the connection with it.
    vm.must("(tail -f /dev/null | nc -l -p 7000 > /tmp/got) & true");
    let target = format!("{address}:7000");
    host.ns.enter(|| {
        let connect = || TcpStream::connect(&target).ok();
        let mut stream = wait_for("the guest to listen", PATIENCE, connect);
        stream.set_write_timeout(Some(PATIENCE)).expect("a limit");
        stream.write_all(&noise).expect("TCP makes progress");
        stream.shutdown(Shutdown::Write).expect("an end");
        stream.read_to_end(&mut Vec::new()).expect("the guest ends too");
    });
    let listener = host.ns.enter(|| TcpListener::bind((host.ip, 7001)).expect("a port"));
    let receiving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the guest connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let mut got = Vec::new();
        stream.read_to_end(&mut got).expect("TCP makes progress");
        got
    });
    vm.must(&format!("nc {} 7001 < /tmp/got", host.ip));
    let got = receiving.join().expect("the receiver succeeds");
    assert!(got == noise, "{} bytes came back of {}, not the same", got.len(), noise.len());
}
