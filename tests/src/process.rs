//! What this machine says about a process.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Processor time that a process has used, in clock ticks of 10 ms (proc_pid_stat(5)).
///
/// # Errors
/// When the process is gone.
pub fn cpu_ticks(pid: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(") ").context("a process without a name")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let field = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    field(11).zip(field(12)).map(|(user, system)| user + system).context("a process without times")
}

/// What a process has open, as far as that has a name (proc_pid_fd(5)).
///
/// # Errors
/// When the process is gone.
pub fn open_files(pid: u32) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd"))?;
    // One that was closed in between is not open.
    Ok(entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect())
}

/// Memory of a process in KiB that is its own, not that of a file (proc_pid_status(5)).
///
/// # Errors
/// When the process is gone.
pub fn anonymous_memory(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    Ok(line.context("a process without memory")?.trim().trim_end_matches(" kB").parse()?)
}

/// Every process of which a word of the command line begins like this.
///
/// # Errors
/// When there is no /proc.
pub fn processes_with(word: &str) -> Result<Vec<u32>> {
    let has_word = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|other| other.starts_with(word.as_bytes()))
    };
    let pids = std::fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter(has_word).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_with_what_it_has() {
        let me = std::process::id();
        let file = std::env::current_exe().unwrap();
        let open = std::fs::File::open(&file).unwrap();
        assert!(open_files(me).unwrap().contains(&file));
        drop(open);
        assert!(anonymous_memory(me).unwrap() > 0);
        let name = std::env::args().next().unwrap();
        assert!(processes_with(&name).unwrap().contains(&me));
        assert!(processes_with("no such word").unwrap().is_empty());
    }

    #[test]
    fn who_works_uses_time() {
        let before = cpu_ticks(std::process::id()).unwrap();
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 200 {}
        assert!(cpu_ticks(std::process::id()).unwrap() > before);
        assert!(cpu_ticks(u32::MAX).is_err());
    }
}
