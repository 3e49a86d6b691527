//! One life of the package on one host: its parts follow on one another, and starting a host takes longer than most.

use crate::site::{DEBIANS, Site};
use vmd_tests::package::REVISIONS;

#[test]
fn the_package_from_installation_to_purge() {
    let [first, second] = REVISIONS;
    let mut site = Site::new();
    installed_it_waits_to_be_enabled(&site, first);
    without_a_configuration_it_starts(&site);
    enabled_it_starts_the_guests(&site);
    the_host_goes_down_with_its_guests_and_comes_up_with_them(&mut site);
    an_upgrade_leaves_the_guests_running(&site, second);
    a_reload_is_followed(&site);
    a_purge_stops_the_guests_and_leaves_their_images(&site);
}

fn installed_it_waits_to_be_enabled(site: &Site, revision: u32) {
    site.install(revision);
    assert_eq!(site.ask("systemctl is-enabled vmd"), (false, "disabled\n".to_owned()));
    assert_eq!(site.ask("systemctl is-active vmd"), (false, "inactive\n".to_owned()));
    assert!(site.run("getent passwd _vmd").contains("nologin"));
    assert!(site.run("cat /sys/kernel/mm/transparent_hugepage/shmem_enabled").contains("[advise]"));
    site.run("ls /usr/share/bash-completion/completions/vmctl /usr/share/zsh/vendor-completions/_vmctl");
}

fn without_a_configuration_it_starts(site: &Site) {
    site.run("test ! -e /etc/vm.conf && systemctl start vmd");
    assert!(site.ask("vmctl status").1.contains("NAME"));
    site.run("systemctl stop vmd");
}

fn enabled_it_starts_the_guests(site: &Site) {
    site.configure("");
    site.run("systemctl enable --now vmd");
    site.wait_for_guests();
    assert_eq!(site.running().len(), 3);
    site.wait_until("systemctl status vmd | grep -F '3 of 3 virtual machines running'");
}

fn the_host_goes_down_with_its_guests_and_comes_up_with_them(site: &mut Site) {
    for name in DEBIANS {
        assert_eq!(site.orderly_stops(name), 0);
    }
    site.power_cycle();
    let log = site.run("journalctl --boot=-1 --unit=vmd --output=cat");
    assert_eq!(log.matches("did not power off in its time: forced").count(), 1, "{log}");
    assert!(log.contains("vmd.service: Deactivated successfully"), "{log}");
    site.wait_for_guests();
    assert_eq!(site.running().len(), 3);
    for name in DEBIANS {
        assert_eq!(site.orderly_stops(name), 1, "{name}: {log}");
    }
}

fn an_upgrade_leaves_the_guests_running(site: &Site, revision: u32) {
    let daemon = || site.run("systemctl show --property=MainPID vmd");
    let (old, before) = (daemon(), site.running());
    let said = site.install(revision);
    assert!(site.run("dpkg-query --show vmd").trim_end().ends_with(&format!("-{revision}")));
    assert_eq!(site.running(), before, "{said}");
    assert_ne!(daemon(), old, "{said}");
    let log = site.run("journalctl --boot --unit=vmd --output=cat");
    assert!(!log.contains("Failed with result"), "{log}");
}

fn a_reload_is_followed(site: &Site) {
    site.configure("vm \"late\" { disable; memory 64M; boot /srv/vm/hello }\n");
    site.run("systemctl reload vmd");
    site.wait_until("systemctl status vmd | grep -F '3 of 4 virtual machines running'");
}

fn a_purge_stops_the_guests_and_leaves_their_images(site: &Site) {
    let said = site.run("dpkg --purge vmd 2>&1");
    for name in DEBIANS {
        assert_eq!(site.orderly_stops(name), 2, "{name}: {said}");
        site.run(&format!("e2fsck -fn /srv/vm/{name}.img"));
    }
    site.run("test -s /etc/vm.conf");
    assert_eq!(site.ask("pgrep -x vmd"), (false, String::new()));
    for path in ["/usr/sbin/vmd", "/etc/default/vmd", "/run/vmd", "/run/vmd.sock"] {
        assert!(site.ask(&format!("test ! -e {path}")).0, "{path} is still there; {said}");
    }
    assert_eq!(site.run("find /etc/systemd -name 'vmd.*'"), "");
}
