//! Huge pages, in which DPDK keeps its packet buffers.

use std::fs;

use anyhow::{Context, Result};

use crate::process::run;

/// Huge pages, which DPDK needs, for as long as this lives.
pub struct HugePages {
    before: String,
}

const NR_HUGEPAGES: &str = "/proc/sys/vm/nr_hugepages";
/// Enough for 1 GiB of packet buffers, with room, in pages of 2 MiB.
const N_PAGES: u64 = 1200;

impl HugePages {
    /// Reserves what is missing.
    ///
    /// # Errors
    /// Not root, or too little memory.
    pub fn reserve() -> Result<HugePages> {
        let before = fs::read_to_string(NR_HUGEPAGES)?.trim().to_string();
        if before.parse::<u64>()? < N_PAGES {
            fs::write(NR_HUGEPAGES, N_PAGES.to_string()).context("huge pages need root")?;
        }
        let got: u64 = fs::read_to_string(NR_HUGEPAGES)?.trim().parse()?;
        let pages = HugePages { before };
        anyhow::ensure!(got >= N_PAGES, "{got} huge pages of 2 MiB (needed: {N_PAGES})");
        let mounts = fs::read_to_string("/proc/mounts")?;
        if !mounts.lines().any(|line| line.contains(" hugetlbfs ")) {
            fs::create_dir_all("/dev/hugepages")?;
            run("mount", &["-t", "hugetlbfs", "none", "/dev/hugepages"])?;
        }
        Ok(pages)
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        let _ = fs::write(NR_HUGEPAGES, &self.before);
    }
}
