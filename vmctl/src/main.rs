//! The program vmctl(8).

use std::process::ExitCode;

fn main() -> ExitCode {
    vmctl::main(std::env::args_os().skip(1))
}
