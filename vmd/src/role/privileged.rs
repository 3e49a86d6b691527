//! What priv does: wait for acts to carry out. None needs a call of its own yet.

use privsep::sandbox::Rule;

use super::calls::{LIBRARY, LOOP};

pub const TABLES: &[&[Rule]] = &[LIBRARY, LOOP];
