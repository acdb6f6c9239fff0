//! Where does the program start?

mod args;
mod child;
mod commands;
mod console;
#[cfg(feature = "tui")]
mod dashboard;
mod failure;
mod report;
mod served;

use std::process::ExitCode;

use clap::Parser;

/// Fresh pages are what training on the processor spends most of its time on outside of arithmetic; mimalloc keeps them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    prepare_memory();
    let cli = args::Cli::parse();
    prepare_environment(cli.threads);
    let json = cli.json;
    match commands::run(cli) {
        Ok(status) => status.into(),
        Err(failure) => {
            report::failure(&failure, json);
            failure.exit_code().into()
        }
    }
}

/// Lets memory come in large pages, where there are some: fresh pages and finding out where they lie are what training spends time on.
fn prepare_memory() {
    // SAFETY: this is the first statement of `main`; no other thread exists that could set an option meanwhile.
    #[expect(unsafe_code, reason = "the allocator has no other way to be told")]
    unsafe {
        libmimalloc_sys::mi_option_set_enabled(libmimalloc_sys::mi_option_large_os_pages, true);
    }
}

/// Libraries ask burn for a default device behind our back, which would be a graphics card that may not exist; on a machine without a desktop
/// a layer of Mesa complains that there is none; and all that computes, children of this process too, takes as many threads as RAYON's say.
fn prepare_environment(threads: Option<u16>) {
    let is_set = |name| std::env::var_os(name).is_some();
    let without_desktop = !is_set("XDG_RUNTIME_DIR") && !is_set("MESA_VK_DEVICE_SELECT");
    // SAFETY: so far `main` has read its arguments and nothing more; no other thread exists that could read the environment meanwhile.
    #[expect(unsafe_code, reason = "burn and Mesa read these variables and offer no other way to choose")]
    unsafe {
        std::env::set_var("BURN_DEVICE", "flex");
        if without_desktop {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
        if let Some(threads) = threads {
            std::env::set_var("RAYON_NUM_THREADS", threads.to_string());
        }
    }
}
