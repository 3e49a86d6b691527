use super::super::rule::{allow, allow_if, arg, refuse};
use super::*;

const NARROW: Rule = allow_if(libc::SYS_ioctl, &[arg(1).one_of(&[1, 2])], "");
const WIDE: Rule = allow(libc::SYS_ioctl, "");

fn built(rules: &[Rule]) -> Filter {
    Filter::new(rules).unwrap()
}

#[test]
fn without_refusals_there_is_one_program() {
    assert!(built(&[allow(libc::SYS_read, "")]).refusing.is_none());
    assert!(built(&[refuse(libc::SYS_read, "")]).refusing.is_some());
}

#[test]
fn an_allowed_call_is_not_refused() {
    let rules = [refuse(libc::SYS_openat, ""), allow(libc::SYS_openat, "")];
    let filter = built(&rules);
    assert!(filter.refusing.is_none());
    assert_eq!(filter.passing, built(&[rules[1]]).passing);
}

#[test]
fn a_rule_without_conditions_covers_those_with() {
    for rules in [[NARROW, WIDE], [WIDE, NARROW]] {
        assert_eq!(built(&rules).passing, built(&[WIDE]).passing);
    }
    assert_ne!(built(&[NARROW]).passing, built(&[WIDE]).passing);
}

#[test]
fn a_rule_said_twice_counts_once() {
    assert_eq!(built(&[NARROW, NARROW]).passing, built(&[NARROW]).passing);
}

#[test]
fn several_arguments_are_combined() {
    let both = &[arg(0).one_of(&[1, 2]), arg(1).one_of(&[3, 4, 5]), arg(2).without(8)];
    assert_eq!(alternatives(both).unwrap().len(), 6);
}

#[test]
fn an_argument_that_no_call_has_is_an_error() {
    const SEVENTH: Rule = allow_if(libc::SYS_read, &[arg(6).own_process()], "");
    assert!(matches!(Filter::new(&[SEVENTH]), Err(FilterError::Rules(_))));
}
