//! The rows of a filter's table.

/// A system call that a process makes, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its number, `SYS_*`.
    pub call: i64,
    /// What its arguments must be, all of these.
    pub arguments: &'static [Argument],
    /// What happens.
    pub verdict: Verdict,
    /// What the process does with it.
    pub why: &'static str,
}

/// What a rule does to a call that it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call is made.
    Allow,
    /// The call fails with `ENOSYS`, as on a kernel that does not have it. For calls that a library tries and
    /// can do without.
    Refuse,
}

/// A condition on one argument. The lower 32 bits are compared: the kernel takes no more of the flags, commands
/// and ids that are worth comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    pub(super) index: u8,
    pub(super) test: Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    OneOf(&'static [u32]),
    Without(u32),
    OwnProcess,
}

/// Allows `call` whatever its arguments.
pub const fn allow(call: i64, why: &'static str) -> Rule {
    allow_if(call, &[], why)
}

/// Allows `call` if its arguments are so. Several rules for a call are alternatives.
pub const fn allow_if(call: i64, arguments: &'static [Argument], why: &'static str) -> Rule {
    Rule { call, arguments, verdict: Verdict::Allow, why }
}

/// Lets `call` fail with `ENOSYS` instead of ending the process. A rule that allows the same call takes its
/// place.
pub const fn refuse(call: i64, why: &'static str) -> Rule {
    Rule { call, arguments: &[], verdict: Verdict::Refuse, why }
}

/// The argument at `index`, 0 to 5.
pub const fn arg(index: u8) -> ArgumentIndex {
    ArgumentIndex(index)
}

/// An argument about which nothing is said yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgumentIndex(u8);

impl ArgumentIndex {
    /// It must be one of `values`.
    pub const fn one_of(self, values: &'static [u32]) -> Argument {
        Argument { index: self.0, test: Test::OneOf(values) }
    }

    /// It must have none of `bits`.
    pub const fn without(self, bits: u32) -> Argument {
        Argument { index: self.0, test: Test::Without(bits) }
    }

    /// It must be the id of the process that compiles the filter. For a process that it executes later, and that
    /// inherits the filter, that is the id of another.
    pub const fn own_process(self) -> Argument {
        Argument { index: self.0, test: Test::OwnProcess }
    }
}
