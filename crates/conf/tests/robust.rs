//! Whatever is in the files: an answer comes, soon, and every place in it is a place of the file.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use conf::{Config, Diagnostics, Environment, FileKind, Macro, User, load};
use proptest::prelude::*;

/// Files in memory; every path is a regular file, every name has an account.
#[derive(Default)]
struct Memory(HashMap<PathBuf, Vec<u8>>);

impl Environment for Memory {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn list(&mut self, directory: &Path) -> io::Result<Vec<OsString>> {
        let inside = self.0.keys().filter(|path| path.parent() == Some(directory));
        Ok(inside.filter_map(|path| path.file_name()).map(OsString::from).collect())
    }
    fn user(&mut self, _name: &str) -> io::Result<Option<User>> {
        Ok(Some(User { uid: 1000, gid: 1000 }))
    }
    fn group(&mut self, _name: &str) -> io::Result<Option<u32>> {
        Ok(Some(1000))
    }
    fn file_kind(&mut self, _path: &Path) -> io::Result<FileKind> {
        Ok(FileKind::Regular)
    }
    fn absolute(&mut self, path: &Path) -> io::Result<PathBuf> {
        Ok(Path::new("/").join(path))
    }
}

fn load_text(text: impl Into<Vec<u8>>) -> Result<Config, Diagnostics> {
    load_files([("main", text.into())])
}

fn load_files<const N: usize>(files: [(&str, Vec<u8>); N]) -> Result<Config, Diagnostics> {
    let files = files.into_iter().map(|(name, text)| (name.into(), text)).collect();
    load(Path::new("main"), &[], &mut Memory(files))
}

fn errors(result: Result<Config, Diagnostics>) -> Vec<String> {
    let diagnostics = result.expect_err("an error");
    diagnostics.iter().map(|diagnostic| diagnostic.message().to_owned()).collect()
}

/// The configuration as text gives itself.
fn check_text(config: &Config) {
    let text = config.to_text();
    let again = load_text(text.clone()).unwrap_or_else(|errors| panic!("{text}\n{}", errors.render(false)));
    assert_eq!((&again.globals, &again.switches), (&config.globals, &config.switches), "{text}");
    assert_eq!(again.vms, config.vms, "{text}");
}

/// What must hold for any result.
fn check(result: Result<Config, Diagnostics>, text: &[u8]) {
    let lines = text.split(|byte| *byte == b'\n').count();
    let diagnostics = match result {
        Ok(config) => {
            check_text(&config);
            config.warnings
        }
        Err(diagnostics) => {
            assert!(diagnostics.error_count() > 0);
            diagnostics
        }
    };
    for diagnostic in diagnostics.iter() {
        let place = diagnostics.place(diagnostic).expect("a place in the file");
        assert!((1..=lines).contains(&place.line), "{place:?} of {lines} lines");
    }
    assert_eq!(diagnostics.render(true).is_empty(), diagnostics.is_empty());
    let plain = diagnostics.render(false);
    assert!(!plain.chars().any(|c| c.is_control() && c != '\n'), "{plain:?} does things to a terminal");
}

/// Pieces of the language, so that random texts get past the first token.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "vm ",
        "\"web\" ",
        "web ",
        "{",
        "}",
        "\n",
        ";",
        "memory ",
        "512M",
        "1",
        " ",
        "cpus ",
        "boot ",
        "/bsd",
        "disk ",
        "format ",
        "raw ",
        "owner ",
        "a:b ",
        "enable ",
        "\"",
        "'",
        "\\",
        "$",
        "$a",
        "a = ",
        "b=\"x y\"\n",
        "#",
        ",",
        "=",
        "include ",
        "\"main\"\n",
        "switch ",
        "interface ",
        "~/x",
        "./y",
        "-5 ",
        "\r\n",
        "\u{e4}",
        "cmdline ",
        "initrd ",
        "instance ",
        "allow ",
        "allow instance ",
        "local ",
        "locked lladdr ",
        "fe:e1:bb:d1:0:1 ",
        "group ",
        "interface br0\n",
        "tap0 ",
        "restart always\n",
        "stop timeout 5\n",
        "staggered start parallel 2 delay 3\n",
        "prefix 10.0.0.0/8\n",
        "include \"*\"\n",
        "rdomain ",
        "up ",
        "99999999999999999999 ",
        "\0",
        "\u{1b}[31m",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_give_an_answer(text in prop::collection::vec(any::<u8>(), 0..400)) {
        check(load_text(text.clone()), &text);
    }

    #[test]
    fn any_pieces_give_an_answer(pieces in prop::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        check(load_text(text.clone()), text.as_bytes());
    }

    #[test]
    fn macros_with_any_value_give_an_answer(value in ".{0,30}", pieces in prop::collection::vec(piece(), 0..30)) {
        let files = HashMap::from([("main".into(), pieces.concat().into_bytes())]);
        let macros = [Macro { name: "a".to_owned(), value }];
        let result = load(Path::new("main"), &macros, &mut Memory(files));
        let diagnostics = result.map_or_else(|errors| errors, |config| config.warnings);
        prop_assert_eq!(diagnostics.render(false).is_empty(), diagnostics.is_empty());
    }
}

#[test]
fn ten_thousand_machines_load() {
    let block =
        |n| format!("vm \"vm{n}\" {{\n\tmemory 512M\n\tcpus 2\n\tboot \"/bsd\"\n\tdisk \"/d{n}\"\n}}\n");
    let text: String = (0..10_000).map(block).collect();
    assert_eq!(load_text(text).expect("no errors").vms.len(), 10_000);
}

#[test]
fn the_examples_of_the_manual_page_are_right() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../man/vm.conf.5"));
    let page = page.expect("the manual page");
    let blocks = page.split(".Bd -literal -offset indent\n").skip(1).map(|rest| rest.split(".Ed").next());
    // Where an option may stand the page says so with the word for it; there are no files to include here.
    let complete = |text: &&str| !text.contains("option") && !text.contains("include");
    let examples: Vec<_> = blocks.flatten().filter(complete).collect();
    assert!(examples.len() > 2, "{examples:?}");
    for example in examples {
        let alone = load_text(example);
        let in_a_machine = format!("vm \"web\" {{\n\tboot \"/bsd\"\n{example}}}\n");
        let config = alone.or_else(|_| load_text(in_a_machine)).expect(example);
        assert!(config.warnings.is_empty(), "{}", config.warnings.render(false));
    }
}

#[test]
fn the_example_of_the_package_is_right() {
    let text = include_str!("../../../packaging/vm.conf.example");
    let config = load_text(text).expect("no errors");
    assert!(config.warnings.is_empty(), "{}", config.warnings.render(false));
    // All that it shows is commented out, between sentences.
    let shown = |line: &&str| line.starts_with('\t') || line.ends_with(['{', '}', '"']);
    let lines = text.lines().map(|line| line.trim_start_matches(['#', ' ']));
    let example: Vec<_> = lines.filter(shown).collect();
    let config = load_text(example.join("\n")).expect("no errors");
    assert_eq!(config.vms.len(), text.matches("# vm \"").count());
}

#[test]
fn many_errors_are_counted_but_not_all_shown() {
    let diagnostics = load_text("}\n".repeat(200_000)).expect_err("errors");
    assert_eq!(diagnostics.error_count(), 200_000);
    assert_eq!(diagnostics.iter().count(), Diagnostics::MAX_SHOWN);
    assert!(diagnostics.render(false).ends_with("\nand 199950 more errors\n"));
}

/// A reader that went back for each of them would not come to an end.
#[test]
fn long_runs_of_one_character_are_read_once() {
    for piece in [";", "\\\n", "$", "{", "a;", "\"", "-", "1", " ", "#", "=", "'\n", "vm {", "\\"] {
        let nothing_said = ["\\\n", " ", "#"].contains(&piece);
        assert_eq!(load_text(piece.repeat(200_000)).is_ok(), nothing_said, "{piece:?}");
    }
}

#[test]
fn a_macro_can_not_blow_a_file_up() {
    let mut text = format!("a = \"#{}\"\n", "x".repeat(8000));
    text.push_str(&"$a\n".repeat(3_000));
    let messages = errors(load_text(text));
    assert_eq!(messages, ["the configuration is too large: more than 16 MiB with all includes and macros"]);
}

#[test]
fn files_include_one_another_only_so_deep() {
    let include = |n: usize| (format!("f{n}"), format!("include f{}\n", n + 1).into_bytes());
    let mut files: HashMap<PathBuf, Vec<u8>> = (0..100).map(include).map(|(n, t)| (n.into(), t)).collect();
    let diagnostics = load(Path::new("f0"), &[], &mut Memory(files.clone())).expect_err("too deep");
    assert_eq!(diagnostics.error_count(), 1);
    files.insert("f16".into(), b"vm a { boot /bsd }".to_vec());
    assert_eq!(load(Path::new("f0"), &[], &mut Memory(files)).expect("deep enough").vms.len(), 1);
}

#[test]
fn a_file_may_be_included_again_behind_itself() {
    let files = [
        ("main", b"x = 'a'\ninclude f\nx = 'b'\ninclude f\n".to_vec()),
        ("f", b"vm $x { boot /bsd }\n".to_vec()),
    ];
    let names: Vec<_> =
        load_files(files).expect("two machines").vms.into_iter().map(|vm| vm.name.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn a_main_file_that_is_missing_is_an_error_without_a_place() {
    let diagnostics = load(Path::new("/etc/vm.conf"), &[], &mut Memory::default()).expect_err("no file");
    assert_eq!(diagnostics.render(false), "error: can not read /etc/vm.conf: it does not exist\n");
    assert_eq!(diagnostics.iter().next().and_then(|first| diagnostics.place(first)), None);
}

#[test]
fn arguments_are_split_at_the_last_equals_sign() {
    let parsed = Macro::from_argument("a=b=c").expect("a macro");
    assert_eq!((parsed.name.as_str(), parsed.value.as_str()), ("a=b", "c"));
    assert_eq!(Macro::from_argument("a=").expect("a macro").value, "");
    assert!(Macro::from_argument("a").is_err());
    assert!(Macro::from_argument("=a").is_err());
}
