//! Where does the program start?

mod args;
mod commands;
mod console;
#[cfg(feature = "tui")]
mod dashboard;
mod failure;
mod report;

use std::process::ExitCode;

use clap::Parser;

/// Fresh pages are what training on the processor spends most of its time on outside of arithmetic; mimalloc keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    choose_default_device();
    let cli = args::Cli::parse();
    match commands::run(cli.command, cli.json) {
        Ok(status) => status.into(),
        Err(failure) => {
            report::failure(&failure, cli.json);
            failure.exit_code().into()
        }
    }
}

/// Library code asks burn for a default device behind our back; without this it would be a graphics card that may not exist.
fn choose_default_device() {
    // SAFETY: this is the first statement of `main`; no other thread exists that could read the environment meanwhile.
    #[expect(unsafe_code, reason = "burn reads BURN_DEVICE and offers no other way to choose")]
    unsafe {
        std::env::set_var("BURN_DEVICE", "flex");
    }
}
