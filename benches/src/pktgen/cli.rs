//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Parser};

use super::flows::Traffic;
use super::port::PortSpec;
use super::search::Goal;
use super::spec::{Choice, Pps, Sizes, Vlans, count};

const MAX_FLOWS: u64 = 1 << 20;
const MAX_SECONDS: u64 = 24 * 3600;
const MAX_WATCHED: usize = 16;

/// Sends numbered frames from one port to another and tells what became of them: loss, duplicates,
/// reordering, mis-delivery, latency.
#[derive(Clone, Debug, Parser)]
#[command(name = "pktgen", version, after_help = AFTER_HELP)]
#[command(group(ArgGroup::new("load").args(["rate", "unlimited", "search"])))]
pub struct Cli {
    /// Port that sends
    #[arg(long, value_name = "PORT", required = true)]
    pub tx: Option<PortSpec>,
    /// Port that receives
    #[arg(long, value_name = "PORT", required = true)]
    pub rx: Option<PortSpec>,
    /// Send back as well, at the same load
    #[arg(long)]
    pub both_ways: bool,
    /// Port at which no frame should arrive; may be given again
    #[arg(long, value_name = "PORT")]
    pub watch: Vec<PortSpec>,

    /// Flows, each with a 5-tuple of its own [default: as many as MAC pairs or VLANs]
    #[arg(long, value_name = "N", value_parser = |word: &str| count(word, 1..=MAX_FLOWS))]
    pub flows: Option<u64>,
    /// Pairs of MAC addresses
    #[arg(long, value_name = "N", default_value = "1",
        value_parser = |word: &str| count(word, 1..=MAX_FLOWS))]
    pub macs: u64,
    /// VLANs of the frames as they are sent, as in 10,20-29
    #[arg(long, value_name = "VIDS", default_value = "none")]
    pub vlans: Vlans,
    /// VLANs of the frames as they should arrive [default: as sent]
    #[arg(long, value_name = "VIDS")]
    pub rx_vlans: Option<Vlans>,
    /// Which flow comes next: round-robin, uniform, zipf[:EXPONENT]
    #[arg(long, value_name = "HOW", default_value = "uniform")]
    pub choice: Choice,
    /// Size of frames with FCS, without tag: SIZE, imix, or SIZE:SHARE,…
    #[arg(long, value_name = "SIZE", default_value = "64")]
    pub size: Sizes,
    /// Of the order of flows and sizes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Frames per second of each direction, as in 100k; a list is tried one by one
    #[arg(long, value_name = "PPS", value_delimiter = ',')]
    pub rate: Vec<Pps>,
    /// As fast as the port takes frames [default]
    #[arg(long)]
    pub unlimited: bool,
    /// Search for the highest rate within the limit of loss, then measure at shares of it
    #[arg(long)]
    pub search: bool,
    /// Frames of a burst; the rate stays
    #[arg(long, value_name = "N", default_value = "1",
        value_parser = |word: &str| count(word, 1..=1_000_000))]
    pub burst: u64,
    /// How long each trial takes
    #[arg(long, value_name = "SECONDS", default_value = "5",
        value_parser = |word: &str| count(word, 1..=MAX_SECONDS))]
    pub seconds: u64,
    /// Frames of each direction and trial, instead of a time
    #[arg(long, value_name = "N", conflicts_with_all = ["seconds", "search"],
        value_parser = |word: &str| count(word, 1..=1_000_000_000_000))]
    pub count: Option<u64>,
    /// Limit of loss of a search
    #[arg(long, value_name = "PERCENT", default_value = "0.5",
        value_parser = |word: &str| percent(word, 0.0, 100.0))]
    pub loss: f64,
    /// How narrowly is searched
    #[arg(long, value_name = "PERCENT", default_value = "1",
        value_parser = |word: &str| percent(word, 0.01, 50.0))]
    pub resolution: f64,
    /// How long the rate found is verified [default: three times --seconds]
    #[arg(long, value_name = "SECONDS", value_parser = |word: &str| count(word, 1..=MAX_SECONDS))]
    pub verify_seconds: Option<u64>,
    /// Shares of the rate found at which latency is measured
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_value = "10,50,90",
        value_parser = |word: &str| percent(word, 0.01, 100.0))]
    pub shares: Vec<f64>,

    /// Threads that send and receive
    #[arg(long, value_name = "N", default_value = "1",
        value_parser = |word: &str| count(word, 1..=64))]
    pub threads: u64,
    /// CPUs that the threads are bound to
    #[arg(long, value_name = "CPU", value_delimiter = ',')]
    pub cpus: Vec<usize>,
    /// For how long nothing must arrive before a trial is over
    #[arg(long, value_name = "MS", default_value = "200",
        value_parser = |word: &str| count(word, 1..=60_000))]
    pub drain_ms: u64,
    /// Do not tell the switch beforehand where the addresses are
    #[arg(long)]
    pub no_learn: bool,

    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Draw rate and latency against load into a file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Tell each second how far it is, also if standard error is no terminal
    #[arg(long)]
    pub progress: bool,
    /// Write the man page and completions into a folder
    #[arg(long, value_name = "DIR", hide = true, exclusive = true)]
    pub generate: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Ports: packet:IF (an interface), tap:NAME (a TAP, made if missing), mem:NAME (a wire in memory; name \
it twice), pcap:FILE (received once; discards), null (discards). NETNS/ in front opens the port in a \
namespace of `ip netns`: h1/packet:eth0.

Exit codes: 0 done, 1 refused by the system or no rate found, 2 wrong usage.";

fn percent(word: &str, low: f64, high: f64) -> Result<f64, String> {
    let number = word.parse::<f64>().ok().filter(|number| (low..=high).contains(number));
    number.ok_or_else(|| format!("allowed: {low} to {high} percent"))
}

/// Words that are right by themselves but do not fit each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

impl Cli {
    /// The frames.
    ///
    /// # Errors
    /// There are fewer flows than MAC pairs or VLANs, or VLANs that do not pair off.
    pub fn traffic(&self) -> Result<Traffic, Usage> {
        let (vlans, rx_vlans) = (&self.vlans.0, self.rx_vlans.as_ref().unwrap_or(&self.vlans));
        let most = self.macs.max(vlans.len() as u64).max(rx_vlans.0.len() as u64);
        let n_flows = self.flows.unwrap_or(most);
        if n_flows < most {
            let text =
                format!("--flows={n_flows}: fewer than MAC pairs or VLANs (allowed: {most}-");
            return Err(Usage(format!("{text}{MAX_FLOWS})")));
        }
        let (n, rx_n) = (vlans.len(), rx_vlans.0.len());
        if n != rx_n && n > 0 && rx_n > 0 {
            let text = format!("--rx-vlans: {rx_n} VLANs for {n} that are sent");
            return Err(Usage(format!("{text} (allowed: none, or as many)")));
        }
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Traffic {
            n_flows: number(n_flows),
            n_macs: number(self.macs),
            vlans: vlans.clone(),
            rx_vlans: rx_vlans.0.clone(),
            choice: self.choice,
            sizes: self.size.clone(),
            seed: self.seed,
        })
    }

    /// The ports: that sends, that receives, and those that are watched.
    ///
    /// # Errors
    /// One is missing, or there are too many.
    pub fn ports(&self) -> Result<(&PortSpec, &PortSpec, &[PortSpec]), Usage> {
        let (Some(tx), Some(rx)) = (&self.tx, &self.rx) else {
            return Err(Usage("--tx and --rx are required".into()));
        };
        let n = self.watch.len();
        if n > MAX_WATCHED {
            return Err(Usage(format!("--watch: {n} ports (allowed: 0-{MAX_WATCHED})")));
        }
        Ok((tx, rx, &self.watch))
    }

    /// What a search is for.
    #[must_use]
    pub fn goal(&self) -> Goal {
        let resolution = self.resolution / 100.0;
        Goal { max_loss: self.loss / 100.0, resolution, step: 2.0 * resolution, n_verify: 20 }
    }
}

/// What clap says, in one line.
#[must_use]
pub fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Cli, clap::Error> {
        let line = format!("pktgen --tx packet:a --rx packet:b {words}");
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_table_of_options_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_values_are_refused_in_one_line_with_what_is_allowed() {
        for words in [
            "--flows 0",
            "--macs 2M",
            "--size 63",
            "--size 9217",
            "--vlans 4095",
            "--choice pareto",
            "--rate 0",
            "--burst 0",
            "--seconds 0",
            "--loss 101",
            "--resolution 0",
            "--shares 0",
            "--threads 65",
            "--drain-ms 0",
            "--watch veth0",
        ] {
            let text = one_line(&read(words).unwrap_err());
            let value = words.split(' ').nth(1).unwrap();
            assert!(text.contains(&format!("'{value}'")) && text.contains("allowed: "), "{text}");
            assert!(!text.contains('\n') && !text.starts_with("error"), "{text}");
        }
        for words in ["--rate 5 --search", "--count 5 --search", "--nonsense"] {
            assert!(read(words).is_err(), "{words}");
        }
        let error = Cli::try_parse_from(["pktgen"]).unwrap_err();
        assert!(one_line(&error).contains("--tx <PORT> --rx <PORT>"), "{}", one_line(&error));
    }

    #[test]
    fn values_must_fit_each_other() {
        let refused = |words: &str| read(words).unwrap().traffic().unwrap_err().0;
        assert_eq!(
            refused("--flows 5 --macs 10"),
            "--flows=5: fewer than MAC pairs or VLANs (allowed: 10-1048576)"
        );
        assert!(refused("--flows 5 --vlans 1-6").contains("(allowed: 6-"));
        assert!(refused("--vlans 1-3 --rx-vlans 1,2").starts_with("--rx-vlans: 2 VLANs for 3 "));
        let traffic = read("--macs 1k --vlans 10").unwrap().traffic().unwrap();
        assert_eq!((traffic.n_flows, traffic.rx_vlans), (1000, traffic.vlans));
        assert!(read("--vlans 10 --rx-vlans none").unwrap().traffic().unwrap().rx_vlans.is_empty());
    }
}
