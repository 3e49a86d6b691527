//! A user, or a program that parses what it sees.

use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};

use super::daemon::serve;

/// Standard output, standard error, exit status.
pub type Seen = (String, String, Option<i32>);

/// Runs a command against a daemon that answers so; hands on what the daemon was asked.
pub fn vmctl(arguments: &[&str], reply: impl Fn(&str) -> Value + Send + 'static) -> (Seen, Receiver<Value>) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("vmd.sock");
    let calls = serve(&socket, reply);
    let output = Command::new(env!("CARGO_BIN_EXE_vmctl"))
        .env("VMD_SOCKET", &socket)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    ((text(output.stdout), text(output.stderr), output.status.code()), calls)
}

/// A refusal.
pub fn error(kind: &str) -> Value {
    json!({ "error": format!("org.vmd.Manager1.{kind}"), "parameters": { "message": "because" } })
}

/// Nothing on standard output.
pub fn said(text: &str, status: i32) -> Seen {
    (String::new(), text.to_owned(), Some(status))
}
