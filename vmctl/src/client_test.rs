use std::os::unix::net::UnixListener;
use std::thread;

use proto::api::Stopped;

use super::*;

/// Calls a daemon that answers with `reply`; returns what it was sent too.
fn call(reply: &'static [u8]) -> (Result<Stopped, ClientError>, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    let daemon = thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let mut request = Vec::new();
        stream.read_until(0, &mut request).unwrap();
        stream.get_mut().write_all(reply).unwrap();
        String::from_utf8(request).unwrap()
    });
    let result = Client::connect(&path, false).unwrap().call("Wait", json!({ "vm": "web" }));
    (result, daemon.join().unwrap())
}

#[test]
fn a_call_is_one_object_and_a_nul() {
    let (result, request) = call(b"{\"parameters\":{\"id\":7}}\0");
    assert_eq!(result.unwrap().id.0, 7);
    let request: Value = serde_json::from_str(request.strip_suffix('\0').unwrap()).unwrap();
    assert_eq!(request, json!({ "method": "org.vmd.Manager1.Wait", "parameters": { "vm": "web" } }));
}

#[test]
fn a_refusal_keeps_its_kind_and_message() {
    let (result, _) =
        call(b"{\"error\":\"org.vmd.Manager1.NotRunning\",\"parameters\":{\"message\":\"it rests\"}}\0");
    let refusal = result.unwrap_err().into_refusal().unwrap();
    assert_eq!(refusal, Refusal { kind: RefusalKind::NotRunning, message: "it rests".into() });
}

#[test]
fn other_answers_are_told_apart() {
    assert!(matches!(call(b"").0, Err(ClientError::Closed)));
    assert!(matches!(call(b"{\"parameters\":").0, Err(ClientError::Closed)));
    assert!(matches!(call(b"hello\0").0, Err(ClientError::Malformed(_))));
    assert!(matches!(call(b"{\"parameters\":{}}\0").0, Err(ClientError::Malformed(_))));
    let (result, _) = call(b"{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{}}\0");
    assert!(matches!(result, Err(ClientError::Malformed(text)) if text.contains("MethodNotFound")));
}
