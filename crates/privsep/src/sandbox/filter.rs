//! The system calls of a process, as a seccomp filter.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustix::process::getpid;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::rule::{Argument, Rule, Test, Verdict};
use super::violation;

/// A compiled list of the system calls that stay allowed. Any other ends the process with `SIGSYS`.
///
/// Filters add up: a call must pass all that were installed, and a thread or an executed program inherits
/// those of its maker. So a process that starts another needs to be allowed what the other needs.
#[derive(Clone, Debug)]
pub struct Filter {
    /// What is allowed or refused; everything else ends the process.
    passing: Arc<BpfProgram>,
    /// What is refused; everything else is left to `passing`. A program has but one action for what fits.
    refusing: Option<Arc<BpfProgram>>,
}

/// A filter could not be compiled or installed.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The rules make no filter: too many, or an argument past the sixth.
    #[error("the system call rules can not be compiled: {0}")]
    Rules(#[from] BackendError),
    /// The kernel does not take it.
    #[error("the kernel does not take the system call filter: {0}")]
    Install(#[from] seccompiler::Error),
}

/// For each call the alternatives that fit; an empty list fits always.
type Chains = BTreeMap<i64, Vec<SeccompRule>>;

impl Filter {
    /// Compiles rules. Of each call's rules one has to fit.
    ///
    /// # Errors
    /// [`FilterError::Rules`].
    pub fn new<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Result<Self, FilterError> {
        let (allowing, refusing): (Vec<&Rule>, Vec<&Rule>) =
            rules.into_iter().partition(|rule| rule.verdict == Verdict::Allow);
        let mut passing = chains(&allowing)?;
        let refused: Chains = refusing
            .iter()
            .filter(|rule| !passing.contains_key(&rule.call))
            .map(|rule| (rule.call, Vec::new()))
            .collect();
        passing.extend(refused.clone());
        Ok(Self {
            passing: compile(passing, violation::ACTION, SeccompAction::Allow)?,
            refusing: refusing_program(refused)?,
        })
    }

    /// Tightens the calling thread, and those that it makes from then on. Installing needs `prctl` and
    /// `seccomp` themselves, if there is a filter already.
    ///
    /// # Errors
    /// [`FilterError::Install`].
    pub fn install_on_this_thread(&self) -> Result<(), FilterError> {
        violation::prepare();
        if let Some(refusing) = &self.refusing {
            apply_filter(refusing)?;
        }
        // Last, since it may forbid to install another.
        Ok(apply_filter(&self.passing)?)
    }
}

fn refusing_program(refused: Chains) -> Result<Option<Arc<BpfProgram>>, FilterError> {
    if refused.is_empty() {
        return Ok(None);
    }
    let errno = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    compile(refused, SeccompAction::Allow, errno).map(Some)
}

fn compile(
    chains: Chains,
    otherwise: SeccompAction,
    fitting: SeccompAction,
) -> Result<Arc<BpfProgram>, FilterError> {
    let filter = SeccompFilter::new(chains, otherwise, fitting, TargetArch::x86_64)?;
    Ok(Arc::new(filter.try_into()?))
}

fn chains(rules: &[&Rule]) -> Result<Chains, FilterError> {
    let mut chains = Chains::new();
    for rule in rules.iter().filter(|rule| !rule.arguments.is_empty()) {
        let chain = chains.entry(rule.call).or_default();
        for alternative in alternatives(rule.arguments)? {
            // The table of a part can be in several wholes that come together here.
            if !chain.contains(&alternative) {
                chain.push(alternative);
            }
        }
    }
    for rule in rules.iter().filter(|rule| rule.arguments.is_empty()) {
        chains.insert(rule.call, Vec::new());
    }
    Ok(chains)
}

/// All combinations of what the arguments may be.
fn alternatives(arguments: &[Argument]) -> Result<Vec<SeccompRule>, FilterError> {
    let mut combinations = vec![Vec::new()];
    for argument in arguments {
        let conditions = conditions(argument)?;
        let extended = combinations.iter().flat_map(|combination: &Vec<_>| {
            conditions
                .iter()
                .map(|condition| [combination.as_slice(), std::slice::from_ref(condition)].concat())
        });
        combinations = extended.collect();
    }
    Ok(combinations.into_iter().map(SeccompRule::new).collect::<Result<_, _>>()?)
}

/// The conditions of which one has to hold.
fn conditions(argument: &Argument) -> Result<Vec<SeccompCondition>, BackendError> {
    let condition = |operator, value: u32| {
        SeccompCondition::new(argument.index, SeccompCmpArgLen::Dword, operator, value.into())
    };
    let equal = |value| condition(SeccompCmpOp::Eq, value);
    match argument.test {
        Test::OneOf(values) => values.iter().copied().map(equal).collect(),
        Test::Without(bits) => Ok(vec![condition(SeccompCmpOp::MaskedEq(bits.into()), 0)?]),
        Test::OwnProcess => Ok(vec![equal(getpid().as_raw_nonzero().get().cast_unsigned())?]),
    }
}

#[cfg(test)]
#[path = "filter_test.rs"]
mod tests;
