//! The command line.

use std::path::{self, PathBuf};
use std::{fs, io};

use clap::{Parser, ValueEnum};
use privsep::sandbox::Identity;

use crate::log::Sink;

/// Where the daemon lives unless told otherwise.
const DEFAULT_CONFIG: &str = "/etc/vm.conf";
const DEFAULT_RUNTIME_DIR: &str = "/run/vmd";
const DEFAULT_STATE_DIR: &str = "/var/lib/vmd";
const DEFAULT_SOCKET: &str = "/run/vmd.sock";
const DEFAULT_USER: &str = "_vmd";

/// Runs virtual machines as /etc/vm.conf describes them; vmctl(8) controls them.
#[derive(Debug, Parser)]
#[command(name = "vmd", version, disable_help_flag = false)]
pub struct Options {
    /// Define a macro; overrides its definition in the file
    #[arg(short = 'D', value_name = "macro=value")]
    pub define: Vec<String>,

    /// Stay in the foreground and log to standard error
    #[arg(short = 'd')]
    pub foreground: bool,

    /// Read this file instead of /etc/vm.conf
    #[arg(short = 'f', value_name = "file", overrides_with = "file")]
    file: Option<PathBuf>,

    /// Only check the configuration
    #[arg(short = 'n')]
    pub check_only: bool,

    /// Say more; twice, even more
    #[arg(short = 'v', action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Make an instance of its own: its socket (vmd.sock) and state are kept in this directory
    #[arg(long, value_name = "dir")]
    runtime_dir: Option<PathBuf>,

    /// The account under which everything runs that needs no privilege
    #[arg(long, value_name = "name", default_value = DEFAULT_USER)]
    pub user: String,

    /// This process was started by vmd to be one of its roles
    #[arg(long, hide = true)]
    pub role: Option<String>,

    #[command(flatten)]
    pub inherited: Inherited,
}

/// What a role is told by the role that starts it.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Inherited {
    /// The account of the daemon
    #[arg(long, hide = true, default_value_t = 0)]
    pub role_uid: u32,

    /// The group of that account
    #[arg(long, hide = true, default_value_t = 0)]
    pub role_gid: u32,

    /// An empty directory
    #[arg(long, hide = true, default_value = "/")]
    pub role_root: PathBuf,

    /// What standard error leads to
    #[arg(long, hide = true, value_enum, default_value_t = Sink::Terminal)]
    pub log: Sink,
}

impl Inherited {
    /// The account of the daemon.
    pub fn account(&self) -> Identity {
        Identity { uid: self.role_uid, gid: self.role_gid }
    }
}

impl Options {
    /// The configuration file, and whether it was asked for by name.
    pub fn config(&self) -> (PathBuf, bool) {
        match &self.file {
            Some(file) => (file.clone(), true),
            None => (DEFAULT_CONFIG.into(), false),
        }
    }

    /// The directory for everything that lives as long as the daemon.
    pub fn runtime_dir(&self) -> PathBuf {
        self.runtime_dir.clone().unwrap_or_else(|| DEFAULT_RUNTIME_DIR.into())
    }

    /// The directory for what machines keep from one start to the next.
    pub fn state_dir(&self) -> PathBuf {
        match &self.runtime_dir {
            Some(dir) => dir.join("state"),
            None => DEFAULT_STATE_DIR.into(),
        }
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        match &self.runtime_dir {
            Some(dir) => dir.join("vmd.sock"),
            None => DEFAULT_SOCKET.into(),
        }
    }

    /// The command line that makes a process of this program the named role.
    pub fn for_role(&self, role: &str, inherited: &Inherited) -> Vec<String> {
        let Inherited { role_uid, role_gid, role_root, log } = inherited;
        let mut args = vec![format!("--role={role}")];
        args.push(format!("--role-uid={role_uid}"));
        args.push(format!("--role-gid={role_gid}"));
        args.push(format!("--role-root={}", role_root.display()));
        args.extend(log.to_possible_value().map(|log| format!("--log={}", log.get_name())));
        args.extend((0..self.verbose).map(|_| "-v".to_owned()));
        args
    }

    /// The command, word by word, that starts a daemon like this one with the program as it is installed then. Empty
    /// in the foreground, where whoever started this one has to start the next: a terminal or a service manager
    /// is no part of a command line. To be asked for before the working directory changes.
    ///
    /// # Errors
    /// When the program or the working directory can not be named.
    pub fn successor(&self) -> io::Result<Vec<String>> {
        if self.foreground {
            return Ok(Vec::new());
        }
        let mut words = vec![fs::read_link("/proc/self/exe")?.display().to_string()];
        words.push(format!("--user={}", self.user));
        if let Some(file) = &self.file {
            words.push(format!("-f{}", path::absolute(file)?.display()));
        }
        if let Some(dir) = &self.runtime_dir {
            words.push(format!("--runtime-dir={}", path::absolute(dir)?.display()));
        }
        words.extend(self.define.iter().map(|text| format!("-D{text}")));
        words.extend((0..self.verbose).map(|_| "-v".to_owned()));
        Ok(words)
    }

    /// The command line that makes a process of this program do what this one was told, in the background.
    pub fn for_background(&self) -> Vec<String> {
        let mut args = vec!["--role=parent".to_owned(), format!("--user={}", self.user)];
        args.extend(self.file.iter().map(|file| format!("-f{}", file.display())));
        args.extend(self.runtime_dir.iter().map(|dir| format!("--runtime-dir={}", dir.display())));
        args.extend(self.define.iter().map(|text| format!("-D{text}")));
        args.extend((0..self.verbose).map(|_| "-v".to_owned()));
        args
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(args: &[String]) -> Options {
        Options::try_parse_from(["vmd".to_owned()].iter().chain(args)).unwrap()
    }

    #[test]
    fn a_role_is_told_what_its_parent_knows() {
        let inherited = Inherited {
            role_uid: 104,
            role_gid: 65534,
            role_root: "/run/vmd/empty".into(),
            log: Sink::Journal,
        };
        let options = parse(&["-vv".to_owned()]);
        let told = parse(&options.for_role("vmm", &inherited));
        assert_eq!(told.role.as_deref(), Some("vmm"));
        assert_eq!((told.verbose, told.inherited), (2, inherited));
    }

    #[test]
    fn the_background_is_told_what_the_foreground_was() {
        let args = ["-v", "-Da=b c", "-f", "my vm.conf", "--runtime-dir", "/tmp/x", "--user", "nobody"];
        let options = parse(&args.map(str::to_owned));
        let told = parse(&options.for_background());
        assert_eq!(told.config(), ("my vm.conf".into(), true));
        assert_eq!((told.define, told.verbose), (vec!["a=b c".to_owned()], 1));
        assert_eq!((told.runtime_dir, told.user), (Some("/tmp/x".into()), "nobody".to_owned()));
    }

    #[test]
    fn the_next_daemon_is_told_what_this_one_was_wherever_it_is_started() {
        let words = parse(&["-v", "-Da=b c", "-f", "vm.conf"].map(str::to_owned)).successor().unwrap();
        assert!(std::path::Path::new(&words[0]).is_absolute());
        let told = parse(&words[1..]);
        assert_eq!(told.config(), (std::path::absolute("vm.conf").unwrap(), true));
        assert_eq!((told.define, told.verbose, told.foreground), (vec!["a=b c".to_owned()], 1, false));
        assert!(parse(&["-d".to_owned()]).successor().unwrap().is_empty());
    }

    #[test]
    fn the_manual_knows_every_option_and_exit_status() {
        let page = include_str!("../../man/vmd.8");
        for option in Options::command().get_arguments().filter(|option| !option.is_hide_set()) {
            let letter = option.get_short().map(|letter| letter.to_string());
            let flag = letter.or_else(|| option.get_long().map(|word| format!("-{word}"))).unwrap();
            let tagged =
                |line: &str| line == format!(".It Fl {flag}") || line.starts_with(&format!(".It Fl {flag} "));
            assert!(page.lines().any(tagged), "-{flag}");
        }
        let (_, statuses) = page.split_once(".Sh EXIT STATUS\n").unwrap();
        let statuses = statuses.split(".Sh").next().unwrap();
        for status in [0, 1, crate::HANDED_OVER] {
            assert!(statuses.contains(&format!(" {status} ")), "{status}");
        }
    }

    /// The texts of all files below a directory.
    fn sources(directory: &path::Path) -> String {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let text =
            |path: PathBuf| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).unwrap() };
        entries.map(text).collect()
    }

    #[test]
    fn the_diagnostics_of_the_manual_are_what_is_said() {
        let (_, diagnostics) = include_str!("../../man/vmd.8").split_once(".Sh DIAGNOSTICS\n").unwrap();
        let said = sources(&path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        let items: Vec<_> = diagnostics.lines().filter_map(|line| line.strip_prefix(".It \"")).collect();
        assert!(items.len() > 3, "{items:?}");
        for item in items {
            for words in item.trim_end_matches('"').split("...").map(str::trim) {
                assert!(said.contains(words), "{item}");
            }
        }
    }

    #[test]
    fn an_instance_has_its_socket_and_its_state_in_its_directory() {
        assert_eq!(parse(&[]).state_dir(), PathBuf::from("/var/lib/vmd"));
        assert_eq!(parse(&["--runtime-dir=/tmp/x".to_owned()]).state_dir(), PathBuf::from("/tmp/x/state"));
        assert_eq!(parse(&[]).socket(), PathBuf::from("/run/vmd.sock"));
        assert_eq!(parse(&["--runtime-dir=/tmp/x".to_owned()]).socket(), PathBuf::from("/tmp/x/vmd.sock"));
    }
}
