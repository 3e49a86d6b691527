//! The ways in which other programs drive vmctl(8) of OpenBSD: command lines, texts that they parse, columns that
//! they count, exit statuses that they rely on.

use std::time::Duration;

use vmd_tests::{Direct, Host as _, Output, paths, quote};

use crate::needs_kvm;
use crate::support::{SOON, Vmd, image, machine, sh};

/// A command line of the shell in which `vmctl` talks to this vmd, as it would to the one of the host.
fn shell(vmd: &Vmd, line: &str) -> Output {
    let programs = paths::program("vmctl").unwrap();
    let programs = programs.parent().unwrap().display().to_string();
    let socket = vmd.socket().display().to_string();
    sh(&format!("PATH={}:$PATH; export PATH VMD_SOCKET={}; {line}", quote(&programs), quote(&socket)))
}

/// What such a command line prints, which has to succeed without a word on standard error.
fn printed(vmd: &Vmd, line: &str) -> String {
    let output = shell(vmd, line).success().unwrap();
    assert_eq!(output.stderr, "", "{line}");
    output.stdout
}

/// Asserts streams and status of a command line.
fn session(vmd: &Vmd, line: &str, stdout: &str, stderr: &str, status: i32) {
    let output = shell(vmd, line);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), (stdout, stderr), "{line}");
    assert_eq!(output.status, status, "{line}");
}

fn kernel() -> String {
    paths::test_guest("hello").unwrap().display().to_string()
}

/// Number and terminal out of the line that tells of a start, as programs cut it up.
fn started(vmd: &Vmd, line: &str) -> (String, String) {
    let pattern = "s/^vmctl: started vm \\([0-9][0-9]*\\) successfully, tty \\(.*\\)$/\\1 \\2/p";
    let output = printed(vmd, &format!("{line} 2>&1 >/dev/null | sed -n '{pattern}'"));
    let (id, tty) = output.trim_end().split_once(' ').unwrap_or_else(|| panic!("{line}: {output:?}"));
    (id.to_owned(), tty.to_owned())
}

#[test]
fn the_name_may_come_first_and_the_start_tells_number_and_terminal() {
    needs_kvm!();
    let vmd = Vmd::start("");
    let disk = image(vmd.path(), "disk.img", 1);
    let line = format!("vmctl start web -b {} -d {} -m 512M", kernel(), disk.display());
    let (id, tty) = started(&vmd, &line);
    assert_eq!(id, "1");
    assert!(tty.starts_with("/dev/pts/"), "{tty}");
    let row = vmd.row("web");
    assert_eq!((row[0].as_str(), row[3].as_str(), row[7].as_str()), ("1", "512M", "running"));
    assert_eq!(format!("/dev/{}", row[5]), tty);
    session(&vmd, "vmctl stop web -f -w", "", "stopping vm web: terminated vm 1\n", 0);
    assert_eq!(started(&vmd, &line).0, "1", "a name keeps its number");
    session(&vmd, "vmctl stop 1 -fw", "", "stopping vm: terminated vm 1\n", 0);
}

#[test]
fn networks_may_be_asked_for_before_there_are_any() {
    needs_kvm!();
    let vmd = Vmd::start("");
    let disk = image(vmd.path(), "disk.img", 1);
    let line = format!("vmctl start web -b {} -d {} -m 512M -L -c </dev/null", kernel(), disk.display());
    let output = shell(&vmd, &line).success().unwrap();
    assert!(output.stderr.starts_with("vmctl: networks do not take effect in this version\n"), "{output:?}");
    assert_eq!(vmd.state("web"), "running");
    session(&vmd, "vmctl stop web -f -w", "", "stopping vm web: terminated vm 1\n", 0);
}

#[test]
fn a_value_is_glued_to_its_option_or_in_one_argument_with_it_or_behind_it() {
    needs_kvm!();
    let vmd = Vmd::start(&machine("tmpl", "hello", "", ""));
    let kernel = kernel();
    for (line, memory) in [
        (format!("vmctl start -m1G -b{kernel} web"), "1.0G"),
        (format!("vmctl start '-m 1536M' '-b' {kernel} web"), "1.5G"),
        (format!("vmctl start web -m 48m -b {kernel}"), "48.0M"),
        (format!("vmctl start -b {kernel} -m67108864 -- web"), "64.0M"),
        ("vmctl start -ttmpl web".to_owned(), "32.0M"),
        ("vmctl start -t tmpl -m 40M web".to_owned(), "40.0M"),
    ] {
        started(&vmd, &line);
        assert_eq!(vmd.row("web")[3], memory, "{line}");
        vmd.vmctl_ok("stop -fw web");
    }
}

#[test]
fn the_status_has_nine_columns_for_programs_that_count_them() {
    needs_kvm!();
    let vmd = Vmd::start(
        &(machine("web", "hello", "", "") + &machine("db", "hello", "", "cpus 2; owner 54321:54322")),
    );
    vmd.vmctl_ok("start web");
    let header = "ID PID VCPUS MAXMEM CURMEM TTY OWNER STATE NAME\n";
    assert_eq!(printed(&vmd, "vmctl status | awk 'NR == 1 { $1 = $1; print }'"), header);
    assert_eq!(printed(&vmd, "vmctl status | awk '{ print NF }' | uniq"), "9\n");
    assert_eq!(
        printed(&vmd, "vmctl status | awk 'NR > 1 { print $1, $8, $9 }'"),
        "1 running web\n2 stopped db\n"
    );
    let stopped = printed(&vmd, "vmctl status db | awk 'NR == 2 { $1 = $1; print }'");
    assert_eq!(stopped, "2 - 2 32.0M - - 54321:54322 stopped db\n");
    let columns = "vmctl status | awk '$9 == \"web\" { print $2, $3, $4, $7 }'";
    assert_eq!(printed(&vmd, columns), format!("{} 1 32.0M root\n", vmd.pid("web")));
    // By position, for programs that cut lines.
    let cut = printed(&vmd, "vmctl status | cut -c 1-5,55-");
    assert_eq!(cut, "   ID    STATE NAME\n    1  running web\n    2  stopped db\n");
    assert_eq!(printed(&vmd, "vmctl show -r | awk 'NR > 1 { print $9 }'"), "web\n");
    assert_eq!(printed(&vmd, "vmctl status -q"), "web\ndb\n");
    assert_eq!(printed(&vmd, "vmctl status -rq"), "web\n");
}

#[test]
fn commands_are_known_by_their_start() {
    needs_kvm!();
    let vmd = Vmd::start(&machine("web", "hello", "", ""));
    let table = vmd.vmctl_ok("status").stdout;
    for line in ["vmctl stat", "vmctl show", "vmctl sh", "vmctl -v status 2>/dev/null"] {
        session(&vmd, line, &table, "", 0);
    }
    assert_eq!(started(&vmd, "vmctl star web").0, "1");
    session(&vmd, "vmctl p 1", "", "vmctl: paused vm 1 successfully\n", 0);
    session(&vmd, "vmctl u web", "", "vmctl: unpaused vm 1 successfully\n", 0);
    session(&vmd, "vmctl log b && vmctl log VERB && vmctl rel", "", "", 0);
    session(&vmd, "vmctl sto -fw web", "", "stopping vm web: terminated vm 1\n", 0);
    session(&vmd, "vmctl res All", "", "", 0);
    for (line, first) in [
        ("sta", "ambiguous argument: sta\n"),
        ("re", "ambiguous argument: re\n"),
        ("nosuch", "unknown argument: nosuch\n"),
        ("", "usage:  vmctl"),
        ("stop", "usage:  vmctl stop [-fw] [id | -a]\n"),
        ("start -x web", "vmctl: unknown option -- x\nusage:  vmctl start"),
        ("start web -m", "vmctl: option requires an argument -- m\nusage:  vmctl start"),
    ] {
        let output = vmd.vmctl(line);
        assert_eq!((output.status, output.stdout.as_str()), (1, ""), "{line}");
        assert!(output.stderr.starts_with(first), "{line}: {}", output.stderr);
    }
}

#[test]
fn what_is_said_goes_to_standard_error_and_failures_are_1() {
    needs_kvm!();
    let vmd = Vmd::start("");
    let header = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n";
    session(&vmd, "vmctl status", header, "", 1);
    session(&vmd, "vmctl stop -a", "", "", 0);
    let disk = vmd.path().join("disk.img").display().to_string();
    session(&vmd, &format!("vmctl create -s 2M {disk}"), "", "vmctl: raw imagefile created\n", 0);
    let exists = shell(&vmd, &format!("vmctl create {disk} -s 2M"));
    assert_eq!((exists.status, exists.stdout.as_str()), (1, ""));
    assert!(exists.stderr.starts_with("vmctl: create imagefile operation failed: File exists\n"));
    started(&vmd, &format!("vmctl start -b {} web", kernel()));
    session(&vmd, "vmctl status nosuch", header, "", 0);
    for (line, stderr) in [
        ("stop nosuch", "stopping vm nosuch: vm not found\n"),
        ("wait 77", "waiting for vm: vm not found\n"),
        ("start web", "vmctl: start vm command failed: Operation already in progress\n"),
        ("start nosuch", "vmctl: start vm command failed: No such file or directory\n"),
        ("start -m 1G nosuch", "vmctl: no kernel or disk/cdrom specified\n"),
        ("start -d /nonexistent web", "vmctl: disk /nonexistent: No such file or directory\n"),
        ("pause nosuch", "vmctl: pause vm command failed: No such file or directory\n"),
        ("console nosuch", "vmctl: console not found\n"),
        ("status -- -x", "vmctl: invalid id: -x\n"),
        ("load /nonexistent", "vmctl: command failed\n"),
        ("-s /nonexistent status", "vmctl: connect: /nonexistent: No such file or directory\n"),
    ] {
        let output = shell(&vmd, &format!("vmctl {line}"));
        assert_eq!((output.status, output.stdout.as_str()), (1, ""), "{line}");
        assert!(output.stderr.starts_with(stderr), "{line}: {}", output.stderr);
    }
}

#[test]
fn a_console_is_reached_by_number_and_from_a_start() {
    needs_kvm!();
    let vmd = Vmd::start("");
    let mut console = vmd.console(&format!("start web -b {} --cmdline echo -c", kernel()));
    console.expect("Connected to /dev/pts/", SOON).unwrap();
    console.expect("ready", SOON).unwrap();
    console.send("~.").unwrap();
    assert_eq!(console.wait(SOON).unwrap(), 0);
    let mut console = vmd.console("console 1");
    console.expect("Connected to /dev/pts/", SOON).unwrap();
    console.send("by number\r").unwrap();
    console.expect("by number", SOON).unwrap();
    console.send("~.").unwrap();
    assert_eq!(console.wait(SOON).unwrap(), 0);
    // A program opens the terminal itself.
    let tty = printed(&vmd, "vmctl status 1 | awk 'NR == 2 { print \"/dev/\" $6 }'");
    let exchange =
        format!("exec 3<>{0}; stty raw -echo <&3; echo abc >&3; grep -o -m 1 abc <&3", tty.trim_end());
    assert_eq!(printed(&vmd, &format!("timeout 30 sh -c {}", quote(&exchange))), "abc\n");
}

#[test]
fn a_machine_with_a_boot_device_ends_when_its_guest_reboots() {
    needs_kvm!();
    let vmd = Vmd::start("");
    started(&vmd, &format!("vmctl start web -B net -b {} --cmdline reset=cf9", kernel()));
    // It is forgotten with its end, and no machine at all is a failure.
    let gone = format!("! {} status", vmd.vmctl_command());
    Direct.wait_until(&gone, Duration::from_millis(20), SOON).unwrap();
    let output = vmd.vmctl(&format!("start -B floppy -b {} web", kernel()));
    assert_eq!((output.status, output.stdout.as_str()), (1, ""));
    assert!(output.stderr.starts_with("vmctl: unknown boot device: floppy\n"), "{}", output.stderr);
}

#[test]
fn what_has_no_end_is_data_line_by_line() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "");
    let mut watch = vmd.console("status -w --json");
    watch.expect("[{\"id\":1,\"name\":\"web\",\"state\":\"stopped\",", SOON).unwrap();
    let mut names = vmd.console("--json status -wrq");
    names.expect("[]", SOON).unwrap();
    vmd.vmctl_ok("start web");
    watch.expect("\"state\":\"running\",", SOON).unwrap();
    names.expect("[\"web\"]", SOON).unwrap();
    let ended = shell(&vmd, "vmctl --json stop -fw web").success().unwrap();
    assert_eq!(ended.stderr, "stopping vm web: terminated vm 1\n");
    let exit = "{\"id\":1,\"exit\":{\"how\":\"forced\",\"code\":null,\"message\":\"forced to stop\"}}\n";
    assert_eq!(ended.stdout, exit);
    names.expect("[]", SOON).unwrap();
}

#[test]
fn the_shell_completes_names_of_machines() {
    needs_kvm!();
    let vmd = Vmd::start(&(machine("web", "hello", "", "") + &machine("db", "hello", "", "")));
    vmd.vmctl_ok("start web");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/completions/vmctl.bash");
    let script = format!(
        ". {file}; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _vmctl; printf '%s\\n' \"${{COMPREPLY[@]}}\" | sort"
    );
    let completed = |words: &str| {
        let offered = printed(&vmd, &format!("bash --norc -c {} bash vmctl {words}", quote(&script)));
        offered.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed("start ''"), ["db", "web"]);
    assert_eq!(completed("start -t d"), ["db"]);
    for command in ["console", "stop -f", "pause", "unpause", "wait", "sto"] {
        assert_eq!(completed(&format!("{command} ''")), ["web"], "{command}");
    }
    vmd.vmctl_ok("stop -fw web");
    assert_eq!(completed("console ''"), Vec::<String>::new());
    let empty = Vmd::start("");
    assert_eq!(completed(&format!("-s {} status ''", empty.socket().display())), Vec::<String>::new());
}
