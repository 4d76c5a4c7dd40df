//! The `muster` binary: reads the command line and starts what it says.

use std::process::ExitCode;

use clap::Parser;
use muster::{
    cli::{self, Cli, Exit, Terminal, Verb},
    demo, observe, offline, serve,
};

/// Gives memory back that is no longer used; how soon stands in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let Cli { global, verb } = Cli::parse();
    let mut terminal = Terminal::real(&global);
    // One TLS provider for everything in this process. A second call would say that there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal.aside(format!("error: the process cannot start its threads: {error}"));
            return Exit::No.into();
        }
    };
    let exit = match verb {
        Verb::Serve(args) => runtime.block_on(serve::serve(&args, &mut terminal)),
        Verb::Demo(args) => runtime.block_on(demo::demo(&args, &mut terminal)),
        Verb::Observe(args) => runtime.block_on(observe::carry_out(&args, &mut terminal)),
        Verb::State(verb) => runtime.block_on(offline::carry_out(&verb, &mut terminal)),
        Verb::Client(verb) => runtime.block_on(cli::carry_out(verb, &global, &mut terminal)),
    };
    exit.into()
}
