use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

/// A host with a firmware of two sizes, and a state directory that has not been made yet.
struct Host {
    dir: TempDir,
    builds: [Build; 2],
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, contents: &[u8]| -> &'static str {
            let path = dir.path().join(name);
            fs::write(&path, contents).unwrap();
            Box::leak(path.to_str().unwrap().to_owned().into_boxed_str())
        };
        let builds = [
            Build { code: file("code4", b"four"), template: file("vars4", &[4; 40]) },
            Build { code: file("code2", b"two"), template: file("vars2", &[2; 20]) },
        ];
        Self { dir, builds }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn file(&self) -> PathBuf {
        self.state().join("web.fd")
    }

    fn open(&self) -> Result<Uefi, String> {
        open(&self.builds, &self.state(), &VmName::new("web").unwrap(), owner())
    }

    fn refusal(&self) -> String {
        self.open().err().unwrap()
    }
}

fn owner() -> Owner {
    Owner { uid: rustix::process::geteuid().as_raw(), gid: None }
}

fn text(mut file: &File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn it_is_made_once_for_its_owner_alone() {
    let host = Host::new();
    let uefi = host.open().unwrap();
    assert_eq!((text(&uefi.code), uefi.path), ("four".to_owned(), host.file()));
    let metadata = fs::metadata(host.file()).unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.uid(), metadata.len()), (0o600, owner().uid, 40));
    assert_eq!(fs::metadata(host.state()).unwrap().mode() & 0o7777, 0o711);
    fs::write(host.file(), [7; 40]).unwrap();
    host.open().unwrap();
    assert_eq!(fs::read(host.file()).unwrap(), [7; 40], "what the guest has set stays");
    assert_eq!(fs::read_dir(host.state()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn what_an_interrupted_start_has_left_is_in_nobodys_way() {
    let host = Host::new();
    fs::create_dir(host.state()).unwrap();
    fs::write(host.state().join("web.fd.new"), "half").unwrap();
    host.open().unwrap();
    assert_eq!(fs::read(host.file()).unwrap(), [4; 40]);
}

#[test]
fn the_firmware_is_the_one_that_fits_the_variables() {
    let host = Host::new();
    fs::create_dir(host.state()).unwrap();
    fs::write(host.file(), [9; 20]).unwrap();
    assert_eq!(text(&host.open().unwrap().code), "two");
    fs::write(host.file(), [9; 21]).unwrap();
    let refusal = host.refusal();
    assert!(refusal.contains("web.fd: it has 21 bytes") && refusal.contains("remove it"), "{refusal}");
    assert_eq!(fs::read(host.file()).unwrap(), [9; 21]);
}

#[test]
fn a_host_without_firmware_is_told_which_package_has_it() {
    let host = Host::new();
    fs::remove_file(host.builds[0].code).unwrap();
    assert_eq!(text(&host.open().unwrap().code), "two", "one of them will do");
    fs::remove_file(host.builds[1].template).unwrap();
    assert!(host.refusal().contains("install the package ovmf"), "{}", host.refusal());
}

#[test]
fn no_link_is_followed_and_nothing_of_somebody_else_is_taken() {
    let host = Host::new();
    fs::create_dir(host.state()).unwrap();
    let precious = host.dir.path().join("precious");
    fs::write(&precious, [1; 40]).unwrap();
    symlink(&precious, host.file()).unwrap();
    host.refusal();
    fs::remove_file(host.file()).unwrap();
    symlink(&precious, host.state().join("web.fd.new")).unwrap();
    host.open().unwrap();
    assert_eq!(fs::read(&precious).unwrap(), [1; 40]);
    let other = Owner { uid: owner().uid + 1, gid: None };
    let name = VmName::new("web").unwrap();
    let refusal = open(&host.builds, &host.state(), &name, other).err().unwrap();
    assert!(refusal.contains("chown"), "{refusal}");
    fs::remove_file(host.file()).unwrap();
    fs::create_dir(host.file()).unwrap();
    host.refusal();
}

#[test]
fn a_directory_that_others_can_write_to_is_not_used() {
    let host = Host::new();
    fs::create_dir(host.state()).unwrap();
    fs::set_permissions(host.state(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(host.refusal().contains("alone can change"), "{}", host.refusal());
}
