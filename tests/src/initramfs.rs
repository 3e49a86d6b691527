//! Small initial file systems: busybox, an init script and the modules it loads.

use std::fs;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cpio::Writer;
use crate::kernel::Kernel;

/// Where Debian's package of a busybox without shared libraries has it.
const BUSYBOX: &str = "/bin/busybox";

/// Writes an initial file system for `kernel` to `path`.
///
/// It holds busybox as `/bin/busybox`, `init` as `/init`, the files of `modules` and of what they need in
/// `/modules`, and their names in the order of loading, one in a line, in `/modules/order`. `extra` are
/// further files: their absolute path and their text.
///
/// # Errors
/// When busybox or a module is missing, or `path` cannot be written.
pub fn write(
    path: &Path,
    kernel: &Kernel,
    init: &str,
    modules: &[&str],
    extra: &[(&str, &str)],
) -> Result<()> {
    let file = fs::File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut archive = Writer::new(BufWriter::new(file));
    for directory in ["bin", "dev", "modules", "new", "proc", "sys"] {
        archive.directory(directory)?;
    }
    archive.file("bin/busybox", 0o755, &read(Path::new(BUSYBOX))?)?;
    archive.file("init", 0o755, init.as_bytes())?;
    for (path, text) in extra {
        archive.file(path.trim_start_matches('/'), 0o755, text.as_bytes())?;
    }
    write_modules(&mut archive, &kernel.modules(modules)?)?;
    archive.finish().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

fn write_modules<W: std::io::Write>(archive: &mut Writer<W>, files: &[impl AsRef<Path>]) -> Result<()> {
    let mut order = String::new();
    for file in files {
        let file = file.as_ref();
        let name = file.file_name().with_context(|| format!("{} is no module", file.display()))?;
        let name = name.to_string_lossy();
        archive.file(&format!("modules/{name}"), 0o644, &read(file)?)?;
        order.push_str(&name);
        order.push('\n');
    }
    archive.file("modules/order", 0o644, order.as_bytes())?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
