//! A daemon that is a script.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::{Value, json};

/// Answers each call of a method with what `reply` says, and hands on what it was asked. An array as a reply is so
/// many answers, and the end of the connection; a null is the end at once.
pub fn serve(socket: &Path, reply: impl Fn(&str) -> Value + Send + 'static) -> Receiver<Value> {
    let listener = UnixListener::bind(socket).unwrap();
    let (sender, calls) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut bytes = Vec::new();
            while stream.read_until(0, &mut bytes).unwrap() > 0 {
                let call: Value = serde_json::from_slice(bytes.strip_suffix(b"\0").unwrap()).unwrap();
                bytes.clear();
                let method = call["method"].as_str().unwrap().strip_prefix("org.vmd.Manager1.").unwrap();
                let reply = reply(method);
                let _ = sender.send(call);
                let (answers, ends) = match reply {
                    Value::Null => (Vec::new(), true),
                    Value::Array(answers) => (answers, true),
                    answer => (vec![answer], false),
                };
                for answer in answers {
                    let _ = stream.get_mut().write_all(format!("{answer}\0").as_bytes());
                }
                if ends {
                    break;
                }
            }
        }
    });
    calls
}

/// A machine that runs or is in another state.
pub fn web(state: &str, tty: Option<&Path>) -> Value {
    json!({
        "id": 3, "name": "web", "state": state, "pid": 1, "cpus": 1, "maxMemory": 536_870_912,
        "currentMemory": 1, "tty": tty, "uid": 0, "gid": null, "lastExit": null,
    })
}

/// A machine without a process.
pub fn db() -> Value {
    json!({
        "id": 4, "name": "db", "state": "stopped", "pid": null, "cpus": 1, "maxMemory": 536_870_912,
        "currentMemory": null, "tty": null, "uid": 0, "gid": null, "lastExit": null,
    })
}
