//! Reading vm.conf, at the start and again whenever somebody asks for it.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use conf::{Config, Diagnostics, Macro};

use super::environment::Host;
use crate::log::Sink;
use crate::options::Options;

/// Where the configuration comes from. It stays valid when the working directory changes.
#[derive(Clone, Debug)]
pub struct Source {
    /// Relative to the directory.
    path: PathBuf,
    /// Where relative paths start, also those in the file.
    directory: PathBuf,
    /// Whether somebody named the file: then it must be there.
    named: bool,
    macros: Vec<Macro>,
}

impl Source {
    /// What the options of the command line say.
    ///
    /// # Errors
    /// A `-D` without a macro, or a working directory that is gone.
    pub fn new(options: &Options) -> anyhow::Result<Self> {
        let (path, named) = options.config();
        let macros = options.define.iter().map(|text| Macro::from_argument(text));
        let macros = macros.collect::<Result<Vec<_>, _>>().context("-D")?;
        let directory = std::env::current_dir().context("the working directory")?;
        Ok(Self { path, directory, named, macros })
    }

    /// Another file with the same macros and the same directory, for `vmctl load`.
    pub fn with_path(&self, path: PathBuf) -> Self {
        Self { path, named: true, ..self.clone() }
    }

    /// Reads the file. Without a default configuration file there is an empty configuration.
    ///
    /// # Errors
    /// All that is wrong with it; nothing has been shown or logged.
    pub fn read(&self) -> Result<Config, Rejected> {
        if !self.named && is_missing(&self.directory.join(&self.path)) {
            return Ok(Config::default());
        }
        conf::load(&self.path, &self.macros, &mut Host::new(&self.directory))
            .map_err(|errors| Rejected { path: self.path.clone(), diagnostics: Box::new(errors) })
    }
}

/// A configuration that can not be used.
#[derive(Debug)]
pub struct Rejected {
    path: PathBuf,
    diagnostics: Box<Diagnostics>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} is not usable", self.diagnostics.render(false), self.path.display())
    }
}

impl std::error::Error for Rejected {}

/// Reads the configuration, and shows everything that is wrong with it: to people, or in the log if there are none.
///
/// # Errors
/// When the file can not be used; all that is wrong with it has been shown then, or is in the error.
pub fn load(source: &Source, log: Sink) -> anyhow::Result<Config> {
    let colour = io::stderr().is_terminal();
    match source.read() {
        Ok(config) if log != Sink::Terminal => {
            warn(&config);
            Ok(config)
        }
        Err(rejected) if log != Sink::Terminal => Err(rejected.into()),
        Ok(config) => {
            eprint!("{}", config.warnings.render(colour));
            Ok(config)
        }
        Err(Rejected { path, diagnostics }) => {
            eprint!("{}", diagnostics.render(colour));
            bail!("{} is not usable", path.display())
        }
    }
}

/// Puts into the log what is suspicious about a configuration.
pub fn warn(config: &Config) {
    config.warnings.render(false).lines().for_each(|line| tracing::warn!("{line}"));
}

/// A file of which nothing is known may be there: reading it will tell what is wrong.
fn is_missing(path: &Path) -> bool {
    std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
