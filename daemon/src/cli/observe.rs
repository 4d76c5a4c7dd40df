//! The arguments of `muster observe`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `observe`.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Observe {
    /// Watch what this file says, and answer whoever asks.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Make a key into a new file, and print what an application file needs to know of it.
    #[arg(long, value_name = "FILE")]
    pub make_key: Option<PathBuf>,
    /// Print what an application file needs to know of a key.
    #[arg(long, value_name = "FILE")]
    pub print_key: Option<PathBuf>,
}
